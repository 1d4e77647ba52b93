//! Queries. Lists run from the newest id to the oldest; `_BEFORE` forms take the nearest newer ones and come reversed.

pub(super) const ORGANIZATION: &str =
    concat!("SELECT ", organization!(""), " FROM organizations WHERE id = $1");

pub(super) const PARENTS: &str =
    concat!("SELECT ", organization!(""), " FROM organizations WHERE parent_id IS NULL ORDER BY id DESC");

pub(super) const USERS: &str = concat!(
    "SELECT ",
    user!("u."),
    ", ",
    credential!("c."),
    " FROM users u LEFT JOIN credentials c",
    " ON c.organization_id = u.organization_id AND c.user_id = u.id",
    " WHERE u.organization_id = $1 ORDER BY u.id DESC"
);

pub(super) const ACTIVITY: &str =
    concat!("SELECT ", activity!(""), " FROM activities WHERE organization_id = $1 AND id = $2");

/// Of any organization of a tenant. An id of version 7 begins with the time of its creation, whose index leads to the
/// few rows of that millisecond.
pub(super) const TENANT_ACTIVITY: &str = concat!(
    "SELECT ",
    activity!(""),
    " FROM activities WHERE created_at = $1 AND id = $2 AND tenant_id = $3"
);

/// A page of sub-organizations: `$1` the parent, `$2` the cursor, then what the filter compares, if anything, and the
/// limit.
macro_rules! pages {
    ($after:ident, $before:ident, $column:literal, $from:literal, $filter:literal, $limit:literal) => {
        pub(super) const $after: &str = concat!(
            "SELECT DISTINCT ",
            $column,
            " FROM ",
            $from,
            " AND ",
            $column,
            " < $2",
            $filter,
            " ORDER BY ",
            $column,
            " DESC LIMIT ",
            $limit
        );
        pub(super) const $before: &str = concat!(
            "SELECT DISTINCT ",
            $column,
            " FROM ",
            $from,
            " AND ",
            $column,
            " > $2",
            $filter,
            " ORDER BY ",
            $column,
            " LIMIT ",
            $limit
        );
    };
}

pages!(SUBS_AFTER, SUBS_BEFORE, "id", "organizations WHERE parent_id = $1", "", "$3");
pages!(
    SUBS_BY_NAME_AFTER,
    SUBS_BY_NAME_BEFORE,
    "id",
    "organizations WHERE parent_id = $1",
    " AND name = $3",
    "$4"
);
pages!(
    SUBS_BY_USERNAME_AFTER,
    SUBS_BY_USERNAME_BEFORE,
    "organization_id",
    "users WHERE tenant_id = $1",
    " AND organization_id <> $1 AND name = $3",
    "$4"
);
pages!(
    SUBS_BY_CREDENTIAL_AFTER,
    SUBS_BY_CREDENTIAL_BEFORE,
    "organization_id",
    "credentials WHERE tenant_id = $1",
    " AND organization_id <> $1 AND lookup = $3",
    "$4"
);
pages!(
    SUBS_BY_CONTACT_AFTER,
    SUBS_BY_CONTACT_BEFORE,
    "organization_id",
    "contacts WHERE tenant_id = $1",
    " AND organization_id <> $1 AND contact_key = $3",
    "$4"
);
pages!(
    SUBS_BY_VERIFIED_AFTER,
    SUBS_BY_VERIFIED_BEFORE,
    "organization_id",
    "contacts WHERE tenant_id = $1",
    " AND organization_id <> $1 AND contact_key = $3 AND verified_at IS NOT NULL",
    "$4"
);
pages!(
    SUBS_ANY_VERIFIED_AFTER,
    SUBS_ANY_VERIFIED_BEFORE,
    "organization_id",
    "contacts WHERE tenant_id = $1",
    " AND organization_id <> $1 AND verified_at IS NOT NULL",
    "$3"
);

/// A page of all activities: `$1` organization, `$2` cursor, `$3` limit.
pub(super) const ACTIVITIES_AFTER: &str = concat!(
    "SELECT ",
    activity!(""),
    " FROM activities WHERE organization_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);

pub(super) const ACTIVITIES_BEFORE: &str = concat!(
    "SELECT ",
    activity!(""),
    " FROM activities WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);

pub(super) const PROXY_CONFIG: &str =
    concat!("SELECT ", proxy_config!(""), " FROM proxy_configs WHERE id = $1");

pub(super) const TEMPLATE: &str =
    concat!("SELECT ", template!(""), " FROM templates WHERE organization_id = $1 AND id = $2");

pub(super) const TEMPLATES: &str =
    concat!("SELECT ", template!(""), " FROM templates WHERE organization_id = $1 ORDER BY id DESC");

/// Ids rise with time.
pub(super) const DEFINITIONS: &str = concat!(
    "SELECT ",
    definition!(""),
    " FROM definitions WHERE organization_id = $1 AND kind = $2 ORDER BY id"
);

pub(super) const DEFINITION: &str = concat!(
    "SELECT ",
    definition!(""),
    " FROM definitions WHERE organization_id = $1 AND kind = $2 AND id = $3"
);

/// A page of e-mail events: `$1` organization, `$2` contact, `$3` cursor, `$4` code of the type or null, `$5` limit. A parent
/// sees those of its sub-organizations too.
macro_rules! email_events {
    ($sign:literal $order:literal) => {
        concat!(
            "SELECT ",
            email_event!(""),
            " FROM message_events WHERE (organization_id = $1 OR tenant_id = $1) AND tenant_id = ",
            tenant!(),
            " AND contact_key = $2 AND id ",
            $sign,
            " $3 AND kind = COALESCE($4, kind) ORDER BY id",
            $order,
            " LIMIT $5"
        )
    };
}

pub(super) const EMAIL_EVENTS_AFTER: &str = email_events!("<" " DESC");
pub(super) const EMAIL_EVENTS_BEFORE: &str = email_events!(">" "");

/// Who was limited in the hours from `$2` on.
pub(super) const ABUSE_RECORDS: &str = concat!(
    "SELECT ",
    abuse_record!(""),
    " FROM abuse_records WHERE tenant_id = $1 AND hour >= $2 AND (CAST($3 AS TEXT) IS NULL OR limit_name = $3)",
    " ORDER BY hour DESC, limit_name DESC, action DESC, subject DESC LIMIT $4"
);

pub(super) const META: &str = "SELECT value FROM meta WHERE key = $1";
