//! Keeps newly accepted events in memory until they are delivered, so that the bus need not read them from the state.

use std::collections::VecDeque;

use crate::event::Envelope;

/// How many bytes of events are kept. The bus reads further events from the state.
const MAX_BYTES: usize = 4 << 20;
/// How many events are kept.
const MAX_EVENTS: usize = 1024;

/// Accepted events by their sequence numbers, which grow.
#[derive(Debug, Default)]
pub(super) struct FreshEvents {
    events: VecDeque<(u64, Envelope)>,
    bytes: usize,
}

impl FreshEvents {
    /// Keeps an event if there is room.
    pub(super) fn push(&mut self, seq: u64, event: Envelope) {
        let bytes = self.bytes.saturating_add(size(&event));
        if self.events.len() < MAX_EVENTS && bytes <= MAX_BYTES {
            self.bytes = bytes;
            self.events.push_back((seq, event));
        }
    }

    /// Takes the event with this sequence number, if it is in memory. Drops earlier events, which were delivered.
    pub(super) fn take(&mut self, seq: u64) -> Option<Envelope> {
        loop {
            match self.events.front()?.0 {
                first if first > seq => return None,
                first => {
                    let (_, event) = self.events.pop_front()?;
                    self.bytes = self.bytes.saturating_sub(size(&event));
                    if first == seq {
                        return Some(event);
                    }
                }
            }
        }
    }
}

/// About how many bytes an event takes in memory.
fn size(event: &Envelope) -> usize {
    let texts = [&event.headers, &event.query, &event.path];
    let pairs = texts.into_iter().flatten().map(|(name, value)| name.len() + value.len());
    event.body.len().saturating_add(pairs.sum())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn event(id: u64, bytes: usize) -> Envelope {
        Envelope::new("s", "e", id.to_string(), Timestamp::UNIX_EPOCH, vec![b' '; bytes])
    }

    #[test]
    fn events_beyond_the_limit_are_skipped() {
        let mut fresh = FreshEvents::default();
        fresh.push(1, event(1, MAX_BYTES));
        fresh.push(2, event(2, 1));
        assert_eq!(fresh.take(1).unwrap().id, "1");
        fresh.push(3, event(3, 1));
        assert_eq!(fresh.take(2), None);
        assert_eq!(fresh.take(3).unwrap().id, "3");
        assert_eq!((fresh.take(4), fresh.bytes), (None, 0));
        let mut large = event(4, 0);
        large.headers.insert("h".into(), "x".repeat(MAX_BYTES));
        fresh.push(4, large);
        assert_eq!(fresh.take(4), None);
    }

    #[test]
    fn events_that_were_delivered_are_dropped() {
        let mut fresh = FreshEvents::default();
        (1..=5).for_each(|seq| fresh.push(seq, event(seq, 10)));
        assert_eq!(fresh.take(4).unwrap().id, "4");
        assert_eq!((fresh.events.len(), fresh.bytes), (1, 10));
    }

    #[test]
    fn the_number_of_events_is_limited() {
        let mut fresh = FreshEvents::default();
        (0..2 * MAX_EVENTS as u64).for_each(|seq| fresh.push(seq, event(seq, 0)));
        assert_eq!(fresh.events.len(), MAX_EVENTS);
    }
}
