//! All connections of a process: how many there may be, and which one is closed to make room for another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Limits;
use super::activity::Activity;
use super::close_reason::CloseReason;

/// How long a peer must have read nothing before its connection is closed to make room for another answer.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// All connections of a process.
#[derive(Debug)]
pub(super) struct Registry {
    limits: Limits,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    port: u16,
    is_admin: bool,
    activity: Arc<Activity>,
}

/// The slot of a connection. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    registry: Arc<Registry>,
    id: u64,
    pub(super) activity: Arc<Activity>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.registry.lock().connections.remove(&self.id);
    }
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a new connection, and whether another connection was closed for it. `None` if there is no
    /// slot.
    pub(super) fn admit(
        self: &Arc<Self>,
        port: u16,
        is_admin: bool,
        now: Instant,
    ) -> Option<(ConnectionSlot, bool)> {
        let mut open = self.lock();
        let of_port = open.count(|other| other.port == port);
        let is_full = match is_admin {
            true => {
                let most =
                    self.limits.max_connections.saturating_add(self.limits.admin_connections);
                open.connections.len() >= most
            }
            false => open.count(|other| !other.is_admin) >= self.limits.max_connections,
        };
        let mut is_evicted = false;
        if of_port >= self.limits.max_connections_per_port {
            is_evicted = open.evict(&self.limits, now, |other| other.port == port);
            if !is_evicted {
                return None;
            }
        } else if is_full {
            // A connection to a source never closes one to the admin port.
            is_evicted = open.evict(&self.limits, now, |other| is_admin || !other.is_admin);
            if !is_evicted {
                return None;
            }
        }
        let id = open.next;
        open.next = open.next.wrapping_add(1);
        let activity = Arc::new(Activity::new(now));
        let connection = Connection { port, is_admin, activity: Arc::clone(&activity) };
        open.connections.insert(id, connection);
        Some((ConnectionSlot { registry: Arc::clone(self), id, activity }, is_evicted))
    }

    /// Closes the connection that has had no complete request for the longest time, if it is old enough.
    pub(super) fn evict(&self, now: Instant) -> bool {
        self.lock().evict(&self.limits, now, |_| true)
    }

    /// Closes the connections of a port that exceeded a timeout. Returns their reasons.
    pub(super) fn close_overdue(&self, port: u16, now: Instant) -> Vec<CloseReason> {
        let open = self.lock();
        let of_port = open.connections.values().filter(|connection| connection.port == port);
        of_port
            .filter_map(|connection| {
                let reason = connection.activity.overdue(&self.limits, now)?;
                connection.activity.close(reason).then_some(reason)
            })
            .collect()
    }

    /// Whether there is room for an unsent answer of this size. If not, connections of peers that read nothing are
    /// closed. Returns how many.
    pub(super) fn may_answer(&self, bytes: usize, now: Instant) -> Result<usize, usize> {
        let mut evicted = 0;
        let mut open = self.lock();
        loop {
            let unread = open.connections.iter().map(|(id, connection)| {
                let (bytes, time) = connection.activity.unread(now);
                (*id, bytes, time)
            });
            let unread: Vec<_> = unread.filter(|(_, bytes, _)| *bytes > 0).collect();
            let total = unread.iter().fold(bytes, |sum, (_, bytes, _)| sum.saturating_add(*bytes));
            if total <= self.limits.max_unsent {
                return Ok(evicted);
            }
            let slowest = unread.iter().max_by_key(|(_, _, time)| *time);
            let Some((id, _, _)) = slowest.filter(|(_, _, time)| *time >= READ_PATIENCE) else {
                return Err(evicted);
            };
            if let Some(connection) = open.connections.remove(id) {
                connection.activity.close(CloseReason::WriteTimeout);
                evicted += 1;
            }
        }
    }
}

impl Open {
    fn count(&self, is_counted: impl Fn(&Connection) -> bool) -> usize {
        self.connections.values().filter(|connection| is_counted(connection)).count()
    }

    /// The connection loses its slot at once; its task closes it when it wakes.
    fn evict(
        &mut self,
        limits: &Limits,
        now: Instant,
        may_go: impl Fn(&Connection) -> bool,
    ) -> bool {
        let candidates = self.connections.iter().filter(|(_, connection)| may_go(connection));
        let aged = candidates.filter_map(|(id, connection)| {
            Some((*id, connection.activity.evictable(limits, now)?))
        });
        let Some((id, _)) = aged.max_by_key(|(id, age)| (*age, std::cmp::Reverse(*id))) else {
            return false;
        };
        self.connections.remove(&id).is_some_and(|gone| gone.activity.close(CloseReason::Evicted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Arc<Registry> {
        let limits = Limits {
            max_connections: 4,
            max_connections_per_port: 3,
            admin_connections: 1,
            max_unsent: 100,
            ..Limits::default()
        };
        Arc::new(Registry::new(limits))
    }

    fn places(
        registry: &Arc<Registry>,
        port: u16,
        count: usize,
        now: Instant,
    ) -> Vec<ConnectionSlot> {
        (0..count).map(|_| registry.admit(port, false, now).unwrap().0).collect()
    }

    #[test]
    fn a_port_has_a_limit_and_all_have_one_and_the_admin_port_has_more() {
        let (registry, now) = (registry(), Instant::now());
        let mut first = places(&registry, 1, 3, now);
        assert!(registry.admit(1, false, now).is_none());
        let _second = places(&registry, 2, 1, now);
        assert!(registry.admit(2, false, now).is_none());
        let (admin, evicted) = registry.admit(9, true, now).unwrap();
        assert!(!evicted);
        assert!(registry.admit(9, true, now).is_none());
        first.pop();
        assert!(registry.admit(2, false, now).is_some());
        drop(admin);
    }

    #[test]
    fn the_longest_without_a_request_makes_room() {
        let (registry, start) = (registry(), Instant::now());
        let places = places(&registry, 1, 3, start);
        places[0].activity.begin(false, true, start);
        places[1].activity.read(start + Duration::from_millis(1));
        let now = start + Duration::from_secs(1);
        let (_new, evicted) = registry.admit(1, false, now).unwrap();
        assert!(evicted);
        assert!(!places[2].activity.close(CloseReason::Idle), "it was asked to close");
        let (_newer, _) = registry.admit(1, false, now).unwrap();
        assert!(!places[1].activity.close(CloseReason::Idle), "it was asked to close");
        assert!(registry.admit(1, false, now).is_none());
        // Places that were lost are not freed twice.
        drop(places);
        assert_eq!(registry.lock().connections.len(), 2);
    }

    #[test]
    fn sources_leave_the_connections_of_the_admin_port_alone() {
        let (registry, start) = (registry(), Instant::now());
        let (_admin, _) = registry.admit(9, true, start).unwrap();
        let later = start + Duration::from_secs(5);
        let _first = places(&registry, 1, 2, later);
        let _second = places(&registry, 2, 2, later);
        assert!(registry.admit(1, false, later).is_none());
        // The admin port may take the place of a source's connection.
        let much_later = later + Duration::from_secs(5);
        assert!(registry.admit(9, true, much_later).unwrap().1);
    }

    #[test]
    fn unread_answers_make_room_for_others() {
        let (registry, start) = (registry(), Instant::now());
        let places = places(&registry, 1, 2, start);
        for place in &places {
            place.activity.begin(false, true, start);
            assert_eq!(registry.may_answer(50, start), Ok(0));
            place.activity.answer(true, 50, start);
        }
        assert_eq!(registry.may_answer(1, start), Err(0));
        places[1].activity.sent(10, start + Duration::from_secs(1));
        assert_eq!(registry.may_answer(20, start + Duration::from_secs(2)), Ok(1));
        assert!(!places[0].activity.close(CloseReason::Idle), "it was asked to close");
    }
}
