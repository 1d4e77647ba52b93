//! Every table with its columns, in the order in which a copy moves them.
//!
//! Promise: this is the schema that the migrations make, in both dialects; a test fails where it is not. The schema's own
//! history is left out: each database has one.

use crate::value::Cell;

/// A table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// In the order of the schema.
    pub(crate) columns: &'static [Column],
    /// The primary key.
    #[cfg_attr(not(test), expect(dead_code, reason = "held against the schema"))]
    pub(crate) key: &'static [&'static str],
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Bytes,
}

impl Column {
    /// Whether this value may stand in the column.
    pub(crate) fn takes(&self, cell: Cell<'_>) -> bool {
        match cell {
            Cell::Null => self.nullable,
            Cell::Int(_) => self.kind == Kind::Int,
            Cell::Text(_) => self.kind == Kind::Text,
            Cell::Bytes(_) => self.kind == Kind::Bytes,
        }
    }
}

const fn int(name: &'static str) -> Column {
    Column { name, kind: Kind::Int, nullable: false }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, nullable: false }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes, nullable: false }
}

const fn maybe(column: Column) -> Column {
    Column { nullable: true, ..column }
}

impl Table {
    /// The columns' names, separated by commas.
    fn columns(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    /// A query of all rows.
    pub(crate) fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.columns(), self.name)
    }

    /// A query of whether there is a row.
    pub(crate) fn any(&self) -> String {
        format!("SELECT EXISTS (SELECT 1 FROM {})", self.name)
    }

    /// Adds one row, for SQLite.
    pub(crate) fn insert(&self) -> String {
        let values: Vec<String> = (1..=self.columns.len()).map(|number| format!("${number}")).collect();
        format!("INSERT INTO {} ({}) VALUES ({})", self.name, self.columns(), values.join(", "))
    }

    /// Takes rows, for PostgreSQL.
    pub(crate) fn copy_in(&self) -> String {
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", self.name, self.columns())
    }
}

pub(crate) const TABLES: &[Table] = &[
    Table { name: "meta", columns: &[text("key"), text("value")], key: &["key"] },
    Table {
        name: "organizations",
        columns: &[
            bytes("id"),
            bytes("tenant_id"),
            maybe(bytes("parent_id")),
            text("name"),
            text("features"),
            text("quorum"),
            maybe(int("suspended_at")),
            int("version"),
            int("created_at"),
            int("updated_at"),
            text("webhooks"),
            maybe(text("locale")),
        ],
        key: &["id"],
    },
    Table {
        name: "users",
        columns: &[
            bytes("organization_id"),
            bytes("tenant_id"),
            bytes("id"),
            text("name"),
            maybe(text("email")),
            maybe(text("phone")),
            int("version"),
            int("created_at"),
            int("updated_at"),
            text("tags"),
            text("mfa_policies"),
        ],
        key: &["organization_id", "id"],
    },
    Table {
        name: "contacts",
        columns: &[
            bytes("tenant_id"),
            bytes("contact_key"),
            bytes("organization_id"),
            bytes("user_id"),
            maybe(int("verified_at")),
        ],
        key: &["tenant_id", "contact_key", "organization_id", "user_id"],
    },
    Table {
        name: "contact_claims",
        columns: &[bytes("tenant_id"), bytes("contact_key"), int("claimed_at")],
        key: &["tenant_id", "contact_key"],
    },
    Table {
        name: "credentials",
        columns: &[
            bytes("organization_id"),
            bytes("tenant_id"),
            bytes("user_id"),
            bytes("id"),
            int("kind"),
            text("name"),
            bytes("lookup"),
            bytes("public_key"),
            maybe(text("passkey")),
            maybe(int("expiration_seconds")),
            maybe(int("expires_at")),
            maybe(bytes("session_profile_id")),
            int("created_at"),
            int("updated_at"),
            maybe(text("authentication")),
            maybe(text("oauth")),
        ],
        key: &["organization_id", "user_id", "id"],
    },
    Table {
        name: "otps",
        columns: &[
            bytes("tenant_id"),
            bytes("id"),
            bytes("organization_id"),
            int("flavour"),
            int("otp_type"),
            text("contact"),
            bytes("contact_key"),
            maybe(bytes("identifier_key")),
            text("code_key_id"),
            bytes("code_hash"),
            maybe(bytes("user_id")),
            maybe(bytes("target_key")),
            int("attempts_left"),
            int("expires_at"),
            maybe(int("consumed_at")),
            int("created_at"),
        ],
        key: &["tenant_id", "id"],
    },
    Table {
        name: "tokens",
        columns: &[
            bytes("tenant_id"),
            bytes("id"),
            bytes("organization_id"),
            bytes("hash"),
            int("legacy"),
            int("otp_type"),
            text("contact"),
            bytes("contact_key"),
            maybe(text("public_key")),
            int("expires_at"),
            maybe(int("signed_up_at")),
        ],
        key: &["tenant_id", "id"],
    },
    Table {
        name: "activities",
        columns: &[
            bytes("organization_id"),
            bytes("tenant_id"),
            bytes("id"),
            bytes("fingerprint"),
            text("activity_type"),
            int("status"),
            int("timestamp_ms"),
            bytes("submitter_organization_id"),
            bytes("submitter_user_id"),
            bytes("vote_id"),
            text("public_key"),
            text("signature"),
            text("scheme"),
            int("created_at"),
            int("updated_at"),
            text("intent"),
            text("result"),
            maybe(bytes("sealed")),
            text("message"),
            int("version"),
            maybe(text("failure")),
            maybe(text("deliberation")),
        ],
        key: &["organization_id", "id"],
    },
    Table {
        name: "refused_guesses",
        columns: &[bytes("organization_id"), bytes("fingerprint"), bytes("otp_id"), int("expires_at")],
        key: &["organization_id", "fingerprint"],
    },
    Table {
        name: "contact_limits",
        columns: &[
            bytes("tenant_id"),
            bytes("contact_key"),
            int("send_1"),
            int("send_2"),
            int("send_3"),
            int("reserve_1"),
            int("reserve_2"),
            maybe(bytes("slot_1_otp")),
            int("slot_1_until"),
            maybe(bytes("slot_2_otp")),
            int("slot_2_until"),
            maybe(bytes("slot_3_otp")),
            int("slot_3_until"),
            int("failures"),
            int("failed_at"),
            int("touched_at"),
            int("suppressed_until"),
            int("suppressed_for"),
            int("proven_at"),
        ],
        key: &["tenant_id", "contact_key"],
    },
    Table {
        name: "identifier_limits",
        columns: &[bytes("tenant_id"), bytes("identifier_key"), int("send_1"), int("send_2"), int("send_3")],
        key: &["tenant_id", "identifier_key"],
    },
    Table {
        name: "trusted_identifiers",
        columns: &[bytes("tenant_id"), bytes("contact_key"), bytes("identifier_key"), int("trusted_at")],
        key: &["tenant_id", "contact_key", "identifier_key"],
    },
    Table {
        name: "outbox",
        columns: &[
            bytes("id"),
            bytes("organization_id"),
            bytes("tenant_id"),
            bytes("otp_id"),
            int("channel"),
            maybe(bytes("payload")),
            int("state"),
            maybe(bytes("worker")),
            int("attempts"),
            int("due_at"),
            int("expires_at"),
            int("created_at"),
            maybe(text("error")),
            maybe(bytes("endpoint_id")),
        ],
        key: &["id"],
    },
    Table {
        name: "templates",
        columns: &[
            bytes("organization_id"),
            bytes("id"),
            text("name"),
            text("subject"),
            text("html"),
            maybe(text("body_text")),
            int("created_at"),
            maybe(text("locale")),
            maybe(text("sms")),
            int("parts"),
        ],
        key: &["organization_id", "id"],
    },
    Table {
        name: "proxy_configs",
        columns: &[
            bytes("organization_id"),
            bytes("id"),
            bytes("user_id"),
            bytes("sealed_key"),
            text("settings"),
            int("version"),
            int("created_at"),
            int("updated_at"),
        ],
        key: &["organization_id"],
    },
    Table {
        name: "server_keys",
        columns: &[
            text("id"),
            text("role"),
            text("state"),
            int("activates_at"),
            bytes("sealed"),
            int("created_at"),
            int("updated_at"),
            int("version"),
        ],
        key: &["id"],
    },
    Table {
        name: "definitions",
        columns: &[
            bytes("organization_id"),
            int("kind"),
            bytes("id"),
            text("name"),
            text("body"),
            int("created_at"),
            int("updated_at"),
        ],
        key: &["organization_id", "kind", "id"],
    },
    Table {
        name: "message_events",
        columns: &[
            bytes("tenant_id"),
            bytes("contact_key"),
            bytes("id"),
            bytes("organization_id"),
            int("kind"),
            text("message_id"),
            text("from_address"),
            text("to_address"),
            text("details"),
            int("created_at"),
        ],
        key: &["tenant_id", "contact_key", "id"],
    },
    Table {
        name: "delivery_routes",
        columns: &[bytes("organization_id"), text("body"), int("version"), int("updated_at")],
        key: &["organization_id"],
    },
    Table {
        name: "handed_over",
        columns: &[
            text("provider"),
            text("provider_message_id"),
            bytes("message_id"),
            bytes("organization_id"),
            bytes("tenant_id"),
            int("channel"),
            bytes("contact_key"),
            maybe(text("mail")),
            int("handed_at"),
            int("told"),
        ],
        key: &["provider", "provider_message_id"],
    },
    Table {
        name: "limit_counters",
        columns: &[
            bytes("tenant_id"),
            text("scope"),
            int("since"),
            int("amount"),
            int("verified"),
            int("previous_amount"),
            int("previous_verified"),
            int("expires_at"),
        ],
        key: &["tenant_id", "scope"],
    },
    Table {
        name: "abuse_records",
        columns: &[
            bytes("tenant_id"),
            int("hour"),
            text("limit_name"),
            text("action"),
            text("subject"),
            int("hits"),
            int("first_at"),
            int("last_at"),
        ],
        key: &["tenant_id", "hour", "limit_name", "action", "subject"],
    },
];
