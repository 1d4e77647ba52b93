//! The behaviour tests once more, on PostgreSQL: the name of this binary chooses the store (`vestibule_testkit::new_store`).
#![allow(clippy::unwrap_used)]

#[path = "behaviour/main.rs"]
mod behaviour;
