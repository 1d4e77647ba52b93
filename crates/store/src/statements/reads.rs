//! What a decision reads. Every statement starts from the target organization in parameter 1 and needs the result of
//! no other one, so that a store across a network can send all of them in one round trip.

/// The organization, and its parent.
pub(super) const ORGANIZATION_AND_PARENT: &str = concat!(
    "SELECT ",
    organization!(""),
    " FROM organizations WHERE id = $1 UNION ALL SELECT ",
    organization!("p."),
    " FROM organizations o JOIN organizations p ON p.id = o.parent_id WHERE o.id = $1"
);

/// Selects callers from the candidates `m`: the credential that matched, the user, all its credentials, and its
/// organization where that is neither the target nor the target's parent, which are read anyway.
macro_rules! callers {
    ($candidates:expr) => {
        concat!(
            "SELECT m.credential_id, ",
            user!("u."),
            ", ",
            organization!("o."),
            ", ",
            credential!("c."),
            " FROM (",
            $candidates,
            ") AS m",
            " JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id",
            " LEFT JOIN credentials c ON c.organization_id = m.organization_id AND c.user_id = m.user_id",
            " LEFT JOIN organizations o ON o.id = m.organization_id AND o.id <> $1 AND o.id <> m.tenant_id"
        )
    };
}

/// Three exact look-ups (target, parent, two others), because one key may serve in thousands of sub-organizations.
pub(super) const CALLERS_BY_CREDENTIAL: &str = callers!(concat!(
    "SELECT tenant_id, organization_id, user_id, id AS credential_id FROM credentials",
    " WHERE tenant_id = ",
    tenant!(),
    " AND lookup = $2 AND organization_id = $1",
    " UNION ALL SELECT tenant_id, organization_id, user_id, id FROM credentials",
    " WHERE tenant_id = ",
    tenant!(),
    " AND lookup = $2 AND organization_id = ",
    tenant!(),
    " AND organization_id <> $1",
    " UNION ALL SELECT * FROM (SELECT tenant_id, organization_id, user_id, id FROM credentials",
    " WHERE tenant_id = ",
    tenant!(),
    " AND lookup = $2 AND organization_id <> $1",
    " AND organization_id <> tenant_id ORDER BY organization_id LIMIT 2) AS others"
));

pub(super) const CALLERS_BY_CONTACT: &str = callers!(concat!(
    "SELECT * FROM (SELECT tenant_id, organization_id, user_id, NULL AS credential_id FROM contacts",
    " WHERE tenant_id = ",
    tenant!(),
    " AND contact_key = $2 AND organization_id = $1",
    " AND verified_at IS NOT NULL ORDER BY user_id LIMIT 3) AS ours",
    " UNION ALL SELECT * FROM (SELECT tenant_id, organization_id, user_id, NULL FROM contacts",
    " WHERE tenant_id = ",
    tenant!(),
    " AND contact_key = $2 AND organization_id = ",
    tenant!(),
    " AND organization_id <> $1 AND verified_at IS NOT NULL ORDER BY user_id LIMIT 3) AS parents",
    " UNION ALL SELECT * FROM (SELECT tenant_id, organization_id, user_id, NULL FROM contacts",
    " WHERE tenant_id = ",
    tenant!(),
    " AND contact_key = $2 AND organization_id <> $1",
    " AND organization_id <> tenant_id AND verified_at IS NOT NULL",
    " ORDER BY organization_id, user_id LIMIT 2) AS others"
));

pub(super) const CALLERS_BY_USER: &str = callers!(concat!(
    "SELECT tenant_id, organization_id, id AS user_id, NULL AS credential_id FROM users",
    " WHERE organization_id = $1 AND id = $2",
    " UNION ALL SELECT tenant_id, organization_id, id, NULL FROM users",
    " WHERE organization_id = ",
    tenant!(),
    " AND id = $2 AND organization_id <> $1"
));

/// A user with its credentials.
pub(super) const USER: &str = concat!(
    "SELECT ",
    user!("u."),
    ", ",
    credential!("c."),
    " FROM users u LEFT JOIN credentials c",
    " ON c.organization_id = u.organization_id AND c.user_id = u.id",
    " WHERE u.organization_id = $1 AND u.id = $2"
);

pub(super) const ACTIVITY_BY_FINGERPRINT: &str = concat!(
    "SELECT ",
    activity!(""),
    " FROM activities WHERE tenant_id = ",
    tenant!(),
    " AND fingerprint = $2"
);

pub(super) const SUBMITTER_BY_FINGERPRINT: &str = concat!(
    "SELECT ",
    user!("u."),
    ", ",
    credential!("c."),
    " FROM activities a",
    " JOIN users u ON u.organization_id = a.submitter_organization_id AND u.id = a.submitter_user_id",
    " LEFT JOIN credentials c ON c.organization_id = u.organization_id AND c.user_id = u.id",
    " WHERE a.tenant_id = ",
    tenant!(),
    " AND a.fingerprint = $2"
);

pub(super) const OTP: &str = concat!(
    "SELECT ",
    otp!(""),
    " FROM otps WHERE tenant_id = ",
    tenant!(),
    " AND id = $2 AND organization_id = $1"
);

pub(super) const REFUSED_GUESS: &str =
    "SELECT otp_id FROM refused_guesses WHERE organization_id = $1 AND fingerprint = $2";

pub(super) const CONTACT_LIMITS: &str = concat!(
    "SELECT ",
    contact_limits!(""),
    " FROM contact_limits WHERE tenant_id = ",
    tenant!(),
    " AND contact_key = $2"
);

pub(super) const IDENTIFIER_LIMITS: &str = concat!(
    "SELECT send_1, send_2, send_3 FROM identifier_limits WHERE tenant_id = ",
    tenant!(),
    " AND identifier_key = $2"
);

/// As many as [`vestibule_engine::limits::MAX_COUNTERS`]; names that are not needed are empty.
pub(super) const LIMIT_COUNTERS: &str = concat!(
    "SELECT scope, since, amount, verified, previous_amount, previous_verified FROM limit_counters WHERE tenant_id = ",
    tenant!(),
    " AND scope IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
);

pub(super) const TRUSTED_IDENTIFIER: &str = concat!(
    "SELECT trusted_at FROM trusted_identifiers WHERE tenant_id = ",
    tenant!(),
    " AND contact_key = $2 AND identifier_key = $3"
);

pub(super) const TOKEN: &str =
    concat!("SELECT ", token!(""), " FROM tokens WHERE tenant_id = ", tenant!(), " AND id = $2");

/// Verified holders first, and no more than a decision between none, one and several needs.
pub(super) const CONTACT_IN_TARGET: &str = concat!(
    "SELECT ",
    user!("u."),
    ", ct.verified_at FROM contacts ct",
    " JOIN users u ON u.organization_id = ct.organization_id AND u.id = ct.user_id",
    " WHERE ct.tenant_id = ",
    tenant!(),
    " AND ct.contact_key = $2 AND ct.organization_id = $1",
    " ORDER BY CASE WHEN ct.verified_at IS NULL THEN 1 ELSE 0 END, ct.user_id LIMIT 8"
);

pub(super) const VERIFIED_CONTACT: &str = concat!(
    "SELECT ",
    user!("u."),
    ", m.verified_at FROM (",
    "SELECT * FROM (SELECT organization_id, user_id, verified_at FROM contacts",
    " WHERE tenant_id = ",
    tenant!(),
    " AND contact_key = $2 AND organization_id = $1",
    " AND verified_at IS NOT NULL ORDER BY user_id LIMIT 3) AS ours",
    " UNION ALL SELECT * FROM (SELECT organization_id, user_id, verified_at FROM contacts",
    " WHERE tenant_id = ",
    tenant!(),
    " AND contact_key = $2 AND organization_id <> $1",
    " AND verified_at IS NOT NULL ORDER BY organization_id, user_id LIMIT 3) AS others",
    ") AS m JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id"
);

pub(super) const EXISTING_CREDENTIAL: &str = concat!(
    "SELECT ",
    credential!(""),
    " FROM credentials WHERE tenant_id = ",
    tenant!(),
    " AND lookup = $2 AND organization_id = $1"
);

pub(super) const TENANT_TEMPLATE: &str =
    concat!("SELECT id, locale, parts FROM templates WHERE organization_id = ", tenant!(), " AND id = $2");

/// Out of an index that has all of it: the texts are long. Ids rise with time, so the greatest is the most recent.
pub(super) const TEMPLATE_OFFERS: &str = concat!(
    "SELECT id, locale, parts FROM templates WHERE organization_id = ",
    tenant!(),
    " ORDER BY id DESC LIMIT 1000"
);

pub(super) const PROXY_CONFIG_OF: &str =
    concat!("SELECT ", proxy_config!(""), " FROM proxy_configs WHERE organization_id = $1");

/// A definition of the tenant: `$2` its kind, `$3` its id.
pub(super) const TENANT_DEFINITION: &str = concat!(
    "SELECT ",
    definition!(""),
    " FROM definitions WHERE organization_id = ",
    tenant!(),
    " AND kind = $2 AND id = $3"
);
