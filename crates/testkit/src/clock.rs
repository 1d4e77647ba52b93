//! A clock that moves when told.

use std::sync::atomic::{AtomicI64, Ordering};

use vestibule_engine::Clock;

/// Time in a test.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `ms`, epoch milliseconds.
    pub fn at(ms: i64) -> Self {
        Self(AtomicI64::new(ms))
    }

    /// Where it stands.
    pub fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves it forward.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Moves it forward.
    pub fn advance_s(&self, seconds: i64) {
        self.advance_ms(seconds * 1000);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now()
    }
}
