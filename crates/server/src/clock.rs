//! The only place that reads the system's time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use vestibule_engine::Clock;

/// The system's clock, kept at the database's time where the database has one of its own; in development it runs ahead
/// by what was added to it (D-15).
#[derive(Debug, Default)]
pub struct SystemClock {
    offset_ms: AtomicI64,
    behind_store_ms: AtomicI64,
}

impl SystemClock {
    /// Makes it run ahead of the system's by `offset_ms` milliseconds.
    pub fn set_offset(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// How far it runs ahead, milliseconds.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        self.wall_ms().saturating_add(self.offset_ms())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else receives")]
    fn wall_ms(&self) -> i64 {
        // A clock before 1970 counts as 1970.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let system_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        system_ms.saturating_add(self.behind_store_ms.load(Ordering::Relaxed))
    }

    fn correct(&self, by_ms: i64) -> bool {
        self.behind_store_ms.fetch_add(by_ms, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advanced_clock_leaves_the_wall_clock_alone() {
        let clock = SystemClock::default();
        clock.set_offset(60_000);
        let (wall, now) = (clock.wall_ms(), clock.now_ms());
        assert!((60_000..120_000).contains(&(now - wall)), "{now} {wall}");
    }

    #[test]
    fn a_corrected_clock_moves_both() {
        let (clock, system) = (SystemClock::default(), SystemClock::default());
        assert!(clock.correct(3_600_000));
        let ahead = clock.wall_ms() - system.wall_ms();
        assert!((3_590_000..3_610_000).contains(&ahead), "{ahead}");
    }
}
