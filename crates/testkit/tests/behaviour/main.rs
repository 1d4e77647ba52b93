//! What Vestibule does, seen from its front door.

mod activities;
mod addresses;
mod auth_proxy;
mod authority;
mod company;
mod consensus;
mod credentials;
mod current_flow;
mod email_keys;
mod enumeration;
mod failover_drill;
mod guesses;
mod key_changes;
mod key_files;
mod legacy_flow;
mod limit_table;
mod limits;
mod messages;
mod passkeys;
mod policies;
mod pumping;
mod read_only_sessions;
mod receipts;
#[path = "../../../wire/tests/reference/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod reference;
mod second_factors;
mod senders;
#[path = "../../../delivery/tests/support/smtp_server.rs"]
#[allow(unreachable_pub, clippy::unwrap_used)]
mod smtp_server;
mod stamps;
mod sub_organizations;
mod tokens;
mod users;
mod webhooks;
