//! The events that were just accepted, kept in memory until they are delivered, so that they need not be read again.

use std::collections::VecDeque;

use crate::event::Envelope;

/// How many bytes of bodies are kept. The events beyond are read from the state.
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
        let bytes = self.bytes.saturating_add(event.body.len());
        if self.events.len() < MAX_EVENTS && bytes <= MAX_BYTES {
            self.bytes = bytes;
            self.events.push_back((seq, event));
        }
    }

    /// Takes the event with this sequence number, if it is here. The events before it are forgotten: they were delivered.
    pub(super) fn take(&mut self, seq: u64) -> Option<Envelope> {
        loop {
            match self.events.front()?.0 {
                first if first > seq => return None,
                first => {
                    let (_, event) = self.events.pop_front()?;
                    self.bytes = self.bytes.saturating_sub(event.body.len());
                    if first == seq {
                        return Some(event);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn event(id: u64, bytes: usize) -> Envelope {
        Envelope::new("s", "e", id.to_string(), Timestamp::UNIX_EPOCH, vec![b' '; bytes])
    }

    #[test]
    fn what_has_no_room_is_left_out_and_later_events_follow() {
        let mut fresh = FreshEvents::default();
        fresh.push(1, event(1, MAX_BYTES));
        fresh.push(2, event(2, 1));
        assert_eq!(fresh.take(1).unwrap().id, "1");
        fresh.push(3, event(3, 1));
        assert_eq!(fresh.take(2), None);
        assert_eq!(fresh.take(3).unwrap().id, "3");
        assert_eq!((fresh.take(4), fresh.bytes), (None, 0));
    }

    #[test]
    fn what_was_delivered_is_forgotten() {
        let mut fresh = FreshEvents::default();
        (1..=5).for_each(|seq| fresh.push(seq, event(seq, 10)));
        assert_eq!(fresh.take(4).unwrap().id, "4");
        assert_eq!((fresh.events.len(), fresh.bytes), (1, 10));
    }

    #[test]
    fn there_are_at_most_so_many() {
        let mut fresh = FreshEvents::default();
        (0..2 * MAX_EVENTS as u64).for_each(|seq| fresh.push(seq, event(seq, 0)));
        assert_eq!(fresh.events.len(), MAX_EVENTS);
    }
}
