//! Deliveries to webhook endpoints, to HTTP servers on loopback: what is sent, when, and where it never goes.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod destinations;
mod endpoints;
mod requests;
mod site;
#[path = "../support/mod.rs"]
mod support;
