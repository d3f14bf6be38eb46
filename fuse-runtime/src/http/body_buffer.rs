//! The bytes of a body while it arrives, in one contiguous buffer.
//!
//! A large body is in memory that is mapped for it and returned to the system at once. After a burst of large
//! bodies, an allocator would keep their memory in the process.

use bytes::Bytes;
use memmap2::MmapMut;

/// Up to how many bytes a body is kept in ordinary memory.
const MAX_HEAP_BYTES: usize = 64 << 10;

/// A body that arrives.
#[derive(Debug)]
pub(crate) struct BodyBuffer {
    small: Vec<u8>,
    large: Option<MmapMut>,
    length: usize,
    /// How many bytes may arrive: as many as the sender announces, up to the limit of the body.
    max: usize,
}

/// The bytes of a large body that have arrived.
struct Arrived {
    map: MmapMut,
    length: usize,
}

impl AsRef<[u8]> for Arrived {
    fn as_ref(&self) -> &[u8] {
        self.map.get(..self.length).unwrap_or_default()
    }
}

impl BodyBuffer {
    /// An empty buffer for up to `max` bytes. It takes no memory before bytes arrive.
    pub(crate) fn new(max: usize) -> Self {
        Self { small: Vec::new(), large: None, length: 0, max }
    }

    /// Adds bytes. `false` if there are more than may arrive.
    pub(crate) fn extend(&mut self, data: &[u8]) -> bool {
        let length = self.length.saturating_add(data.len());
        if length > self.max {
            return false;
        }
        if self.large.is_none() && length > MAX_HEAP_BYTES {
            // Pages take memory only when they are written. If none can be mapped, ordinary memory is used.
            self.large = MmapMut::map_anon(self.max).ok();
            let small =
                if self.large.is_some() { std::mem::take(&mut self.small) } else { Vec::new() };
            self.put(0, &small);
        }
        self.put(self.length, data);
        self.length = length;
        true
    }

    fn put(&mut self, at: usize, data: &[u8]) {
        match &mut self.large {
            Some(map) => {
                let place = map.get_mut(at..at.saturating_add(data.len()));
                if let Some(place) = place {
                    place.copy_from_slice(data);
                }
            }
            None => self.small.extend_from_slice(data),
        }
    }

    /// What arrived.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.large {
            Some(map) => Bytes::from_owner(Arrived { map, length: self.length }),
            None => self.small.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_arrives_is_what_comes_out(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 0..12),
            most in 0_usize..200_000,
        ) {
            let mut buffer = BodyBuffer::new(most);
            let mut expected = Vec::new();
            for piece in &pieces {
                if expected.len() + piece.len() > most {
                    prop_assert!(!buffer.extend(piece));
                    break;
                }
                prop_assert!(buffer.extend(piece));
                expected.extend_from_slice(piece);
            }
            prop_assert_eq!(buffer.into_bytes(), expected);
        }
    }
}
