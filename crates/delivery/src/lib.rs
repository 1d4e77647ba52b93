//! Messages: rendering, channels and the outbox worker.
