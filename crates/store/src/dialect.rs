//! What the dialects do not share, side by side.

/// SQL the stores speak. PostgreSQL's texts are written already, so that a change here is made for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.51 or later.
    Sqlite,
    /// PostgreSQL 15 or later.
    Postgres,
}

impl Dialect {
    /// The word that opens this dialect's comments in migrations.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// One statement in both dialects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// Claims due messages: `$1` worker, `$2` end of the lease, `$3` now, `$4` how many. SQLite has one writer; PostgreSQL
/// passes over rows that another worker is claiming.
pub(crate) const CLAIM_MESSAGES: Pair = Pair {
    sqlite: concat!(
        "UPDATE outbox SET worker = $1, due_at = $2, attempts = attempts + 1 WHERE id IN (SELECT id FROM outbox",
        " WHERE state = 0 AND due_at <= $3 AND expires_at > $3 ORDER BY due_at LIMIT $4) RETURNING ",
        message!("")
    ),
    postgres: concat!(
        "UPDATE outbox SET worker = $1, due_at = $2, attempts = attempts + 1 WHERE id IN (SELECT id FROM outbox",
        " WHERE state = 0 AND due_at <= $3 AND expires_at > $3 ORDER BY due_at LIMIT $4",
        " FOR UPDATE SKIP LOCKED) RETURNING ",
        message!("")
    ),
};

/// A query whose rows stay as they are until the transaction ends: SQLite has one writer, PostgreSQL locks them.
macro_rules! held {
    ($text:expr) => {
        Pair { sqlite: $text, postgres: concat!($text, " FOR NO KEY UPDATE") }
    };
}

/// The user whose keys are about to change, so that what one change leaves the next one sees.
pub(crate) const HOLD_USER: Pair = held!("SELECT id FROM users WHERE organization_id = $1 AND id = $2");

/// The claims that a user's contacts may hold, before it is judged whether they go with it.
pub(crate) const HOLD_CLAIMS_OF_USER: Pair = held!(
    "SELECT claimed_at FROM contact_claims WHERE (tenant_id, contact_key) IN (SELECT c.tenant_id, c.contact_key \
     FROM contacts c WHERE c.organization_id = $1 AND c.user_id = $2 AND c.verified_at IS NOT NULL)"
);

/// The same for all users of an organization.
pub(crate) const HOLD_CLAIMS: Pair = held!(
    "SELECT claimed_at FROM contact_claims WHERE (tenant_id, contact_key) IN (SELECT c.tenant_id, c.contact_key \
     FROM contacts c WHERE c.organization_id = $1 AND c.verified_at IS NOT NULL)"
);

/// The same for one contact.
pub(crate) const HOLD_CLAIM: Pair =
    held!("SELECT claimed_at FROM contact_claims WHERE tenant_id = $1 AND contact_key = $2");

/// A page of activities: `$1` organization, `$2` cursor, `$3` JSON array of status codes or null, `$4` JSON array of
/// types or null, `$5` limit.
macro_rules! activities {
    (sqlite $sign:literal $order:literal) => {
        concat!(
            "SELECT ",
            activity!(""),
            " FROM activities WHERE organization_id = $1 AND id ",
            $sign,
            " $2",
            " AND ($3 IS NULL OR status IN (SELECT value FROM json_each($3)))",
            " AND ($4 IS NULL OR activity_type IN (SELECT value FROM json_each($4))) ORDER BY id",
            $order,
            " LIMIT $5"
        )
    };
    (postgres $sign:literal $order:literal) => {
        concat!(
            "SELECT ",
            activity!(""),
            " FROM activities WHERE organization_id = $1 AND id ",
            $sign,
            " $2",
            " AND ($3::text IS NULL OR status IN",
            " (SELECT value::bigint FROM json_array_elements_text($3::json) AS value))",
            " AND ($4::text IS NULL OR activity_type IN",
            " (SELECT value FROM json_array_elements_text($4::json) AS value)) ORDER BY id",
            $order,
            " LIMIT $5"
        )
    };
}

pub(crate) const ACTIVITIES_AFTER: Pair =
    Pair { sqlite: activities!(sqlite "<" " DESC"), postgres: activities!(postgres "<" " DESC") };

pub(crate) const ACTIVITIES_BEFORE: Pair =
    Pair { sqlite: activities!(sqlite ">" ""), postgres: activities!(postgres ">" "") };
