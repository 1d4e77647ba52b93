//! Webhooks: what endpoints are told, from the outbox to their answer.
//!
//! Promise: a delivery is posted at least once while its endpoint is there, under the same event id and with a fresh
//! signature on every try; it goes to public addresses alone, judged at the moment of the connection; an endpoint that is
//! slow or away holds up neither messages, which have a worker of their own, nor other endpoints.

mod courier;
mod health;
mod schedule;
mod store;
mod worker;

pub use courier::{Courier, CourierError, SystemResolver};
pub use store::DeliveryStore;
pub use worker::{DeliveryParts, DeliveryRound, DeliverySettings, DeliveryWorker};
