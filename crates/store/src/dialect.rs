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
/// passes over rows that another worker is claiming, and takes the ids as an array: to join the table with a limited
/// subquery it might walk the whole of it.
pub(crate) const CLAIM_MESSAGES: Pair = Pair {
    sqlite: concat!(
        "UPDATE outbox SET worker = $1, due_at = $2, attempts = attempts + 1 WHERE id IN (SELECT id FROM outbox",
        " WHERE state = 0 AND due_at <= $3 AND expires_at > $3 ORDER BY due_at LIMIT $4) RETURNING ",
        claimed!()
    ),
    postgres: concat!(
        "UPDATE outbox SET worker = $1, due_at = $2, attempts = attempts + 1 WHERE id = ANY(ARRAY(SELECT id FROM outbox",
        " WHERE state = 0 AND due_at <= $3 AND expires_at > $3 ORDER BY due_at LIMIT $4",
        " FOR UPDATE SKIP LOCKED)) RETURNING ",
        claimed!()
    ),
};

/// What became of a message, before it is settled: nothing of it where the lease went to another worker. `$1` to `$10` the
/// event, `$11` the message, `$12` the worker.
macro_rules! insert_email_event {
    ($and:literal, $hold:literal) => {
        concat!(
            "INSERT INTO message_events (",
            email_event!(""),
            ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM outbox WHERE id = $11 AND worker = $12 AND state = 0",
            $and,
            $hold
        )
    };
}

/// PostgreSQL keeps others from the message until it is settled.
pub(crate) const INSERT_EMAIL_EVENT: Pair =
    Pair { sqlite: insert_email_event!("", ""), postgres: insert_email_event!("", " FOR UPDATE") };

/// What is told of a message once, whichever try it was that had to tell it.
macro_rules! insert_email_event_once {
    ($hold:literal) => {
        insert_email_event!(
            " AND NOT EXISTS (SELECT 1 FROM message_events told WHERE told.tenant_id = $3 AND told.contact_key = $4 \
             AND told.kind = $5 AND told.message_id = $6)",
            $hold
        )
    };
}

/// The same, where the message was not told of in this way before.
pub(crate) const INSERT_EMAIL_EVENT_ONCE: Pair =
    Pair { sqlite: insert_email_event_once!(""), postgres: insert_email_event_once!(" FOR UPDATE") };

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

/// A page of the activities of some types in some states: `$1` JSON array of types, `$2` JSON array of status codes, `$3`
/// organization, `$4` cursor, `$5` limit. Each pair of type and status has its own stretch of the index, of which as many as
/// a page holds are looked at, however many others there are.
macro_rules! chosen_activities {
    (sqlite $sign:literal $order:literal) => {
        chosen_activities!(
            "json_each($1) AS t CROSS JOIN json_each($2) AS s CROSS JOIN activities AS n \
             WHERE n.organization_id = $3 AND n.id IN (SELECT a.id",
            "s.value", $sign, $order, ")"
        )
    };
    (postgres $sign:literal $order:literal) => {
        chosen_activities!(
            concat!(
                "json_array_elements_text($1::text::json) AS t(value) CROSS JOIN ",
                "json_array_elements_text($2::text::json) AS s(value) CROSS JOIN LATERAL (SELECT ",
                activity!("a.")
            ),
            "s.value::bigint", $sign, $order, ") AS n"
        )
    };
    ($each:expr, $status:literal, $sign:literal, $order:literal, $end:literal) => {
        concat!(
            "SELECT ",
            activity!("n."),
            " FROM ",
            $each,
            " FROM activities AS a WHERE a.organization_id = $3 AND a.activity_type = t.value AND a.status = ",
            $status,
            " AND a.id ",
            $sign,
            " $4 ORDER BY a.id",
            $order,
            " LIMIT $5",
            $end,
            " ORDER BY n.id",
            $order,
            " LIMIT $5"
        )
    };
}

pub(crate) const CHOSEN_ACTIVITIES_AFTER: Pair = Pair {
    sqlite: chosen_activities!(sqlite "<" " DESC"),
    postgres: chosen_activities!(postgres "<" " DESC"),
};

pub(crate) const CHOSEN_ACTIVITIES_BEFORE: Pair =
    Pair { sqlite: chosen_activities!(sqlite ">" ""), postgres: chosen_activities!(postgres ">" "") };
