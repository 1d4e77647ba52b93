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
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now_ms(&self) -> Millis {
        (**self).now_ms()
    }

    fn wall_ms(&self) -> Millis {
        (**self).wall_ms()
    }
}
