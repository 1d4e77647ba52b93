//! The server's own keys, and the walk over everything that is sealed.

/// All of them; they are few.
pub(super) const SERVER_KEYS: &str = concat!("SELECT ", server_key!(""), " FROM server_keys");

pub(super) const INSERT_SERVER_KEY: &str = concat!(
    "INSERT INTO server_keys (",
    server_key!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
);

pub(super) const SET_SERVER_KEY_STATE: &str = "UPDATE server_keys SET state = $1, updated_at = $2, \
    version = version + 1 WHERE id = $3 AND version = $4";

/// `$1` the state active, `$2` now. Raises the version, so that nobody else retires the key meanwhile.
pub(super) const RELY_ON_SERVER_KEY: &str = "UPDATE server_keys SET version = version + 1 \
    WHERE state = $1 AND activates_at <= $2 AND id = $3 AND version = $4";

pub(super) const RESEAL_SERVER_KEY: &str = "UPDATE server_keys SET sealed = $1, updated_at = $2, \
    version = version + 1 WHERE id = $3 AND version = $4";

pub(super) const DELETE_SERVER_KEY: &str = "DELETE FROM server_keys WHERE id = $1 AND version = $2";

pub(super) const INSERT_META: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// A stretch of a table behind the row in `$1` and `$2`: so many rows, sealed or not, that the limit bounds the work.
macro_rules! walk {
    ($table:literal: $first:literal, $second:literal, $sealed:literal) => {
        concat!(
            "SELECT ",
            $first,
            ", ",
            $second,
            ", ",
            $sealed,
            " FROM ",
            $table,
            " WHERE (",
            $first,
            ", ",
            $second,
            ") > ($1, $2) ORDER BY ",
            $first,
            ", ",
            $second,
            " LIMIT $3"
        )
    };
}

pub(super) const WALK_OTP_TARGETS: &str = walk!("otps": "tenant_id", "id", "target_key");
pub(super) const WALK_ACTIVITY_SECRETS: &str = walk!("activities": "organization_id", "id", "sealed");
pub(super) const WALK_MESSAGES: &str = walk!("outbox": "id", "tenant_id", "payload");
pub(super) const WALK_PROXY_KEYS: &str = walk!("proxy_configs": "organization_id", "id", "sealed_key");

/// `$1` the value sealed anew, `$4` as it was read: a value that has changed or gone since is left alone.
macro_rules! reseal {
    ($table:literal: $first:literal, $second:literal, $sealed:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ",
            $sealed,
            " = $1 WHERE ",
            $first,
            " = $2 AND ",
            $second,
            " = $3 AND ",
            $sealed,
            " = $4"
        )
    };
}

pub(super) const RESEAL_OTP_TARGET: &str = reseal!("otps": "tenant_id", "id", "target_key");
pub(super) const RESEAL_ACTIVITY_SECRETS: &str = reseal!("activities": "organization_id", "id", "sealed");
pub(super) const RESEAL_MESSAGE: &str = reseal!("outbox": "id", "tenant_id", "payload");
pub(super) const RESEAL_PROXY_KEY: &str = reseal!("proxy_configs": "organization_id", "id", "sealed_key");
