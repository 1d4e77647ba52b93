//! What Vestibule does, seen from its front door.

mod activities;
mod auth_proxy;
mod authority;
mod credentials;
mod current_flow;
mod enumeration;
mod guesses;
mod key_changes;
mod key_files;
mod legacy_flow;
mod limits;
mod messages;
mod passkeys;
mod stamps;
mod sub_organizations;
