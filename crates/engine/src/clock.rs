//! Time as the engine receives it.

use crate::model::Millis;

/// Tells the time. Only the server's own clock reads the system's.
pub trait Clock: Send + Sync {
    /// Now, epoch milliseconds; what all expiry follows.
    fn now_ms(&self) -> Millis;

    /// Now by the wall clock. Differs from [`Clock::now_ms`] only in development, where time can be advanced (D-15).
    fn wall_ms(&self) -> Millis {
        self.now_ms()
    }

    /// Told by a store that keeps its own time by how many milliseconds [`Clock::wall_ms`] lags behind it. A clock that
    /// follows the store moves by that and returns true; one that is set otherwise returns false and stays.
    fn correct(&self, _by_ms: i64) -> bool {
        false
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now_ms(&self) -> Millis {
        (**self).now_ms()
    }

    fn wall_ms(&self) -> Millis {
        (**self).wall_ms()
    }

    fn correct(&self, by_ms: i64) -> bool {
        (**self).correct(by_ms)
    }
}
