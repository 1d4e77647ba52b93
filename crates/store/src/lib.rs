//! The stores behind the engine.
