//! What Vestibule does, seen from its front door.

mod activities;
mod auth_proxy;
mod authority;
mod credentials;
mod current_flow;
mod enumeration;
mod guesses;
mod legacy_flow;
mod limits;
mod messages;
mod sub_organizations;
