//! Ports that nobody else has.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// A free port for each one that the seed's rules and the admin server use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    free: [u16; 4],
}

impl Ports {
    /// The admin server's port, where nothing else is said.
    pub(crate) const ADMIN: u16 = 12_080;
    const KNOWN: [u16; 4] = [12_000, 12_001, 12_002, Self::ADMIN];

    pub(crate) fn free() -> Self {
        Self { free: std::array::from_fn(|_| free()) }
    }

    pub(crate) fn of(self, port: u16) -> u16 {
        let at = Self::KNOWN.iter().position(|known| *known == port);
        at.map_or(port, |at| self.free[at])
    }

    pub(crate) fn admin(self) -> u16 {
        self.of(Self::ADMIN)
    }

    /// The rules with these ports in them.
    pub(crate) fn put_into(self, rules: &str) -> String {
        Self::KNOWN.iter().fold(rules.to_owned(), |text, port| {
            text.replace(&format!("= {port}"), &format!("= {}", self.of(*port)))
        })
    }
}

/// A port that was free a moment ago. Port 0 would give one of those that the system gives to
/// outgoing connections too, of which the tests make many: one of them could have it by the time
/// it is used, or used again after a restart. So: one below those, each once in this process, and
/// in another order than in another process.
pub(super) fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 16_384;
    const COUNT: u32 = 16_000;
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = std::process::id().wrapping_mul(7919);
        let port = FIRST + start.wrapping_add(offset) % COUNT;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
