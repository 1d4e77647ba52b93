//! Deliveries to webhook endpoints: rows of the outbox that wait in a state of their own.

use crate::dialect::Pair;

pub(super) const ENQUEUE_DELIVERY: &str = concat!(
    "INSERT INTO outbox (",
    delivery!(""),
    ", channel, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 3, 3)"
);

/// The endpoints for which something waits, behind `$1` in the order of their ids, at most `$2`: one step down the index for
/// each, however much waits for it.
pub(super) const WAITING_ENDPOINTS: &str = "WITH RECURSIVE queue (endpoint_id, nth) AS ( \
    SELECT (SELECT o.endpoint_id FROM outbox o WHERE o.state = 3 AND o.endpoint_id > $1 \
    ORDER BY o.endpoint_id LIMIT 1), CAST(1 AS BIGINT) UNION ALL \
    SELECT (SELECT o.endpoint_id FROM outbox o WHERE o.state = 3 AND o.endpoint_id > queue.endpoint_id \
    ORDER BY o.endpoint_id LIMIT 1), queue.nth + 1 FROM queue WHERE queue.endpoint_id IS NOT NULL AND queue.nth < $2) \
    SELECT queue.endpoint_id, (SELECT o.due_at FROM outbox o WHERE o.state = 3 AND o.endpoint_id = queue.endpoint_id \
    ORDER BY o.due_at LIMIT 1) FROM queue WHERE queue.endpoint_id IS NOT NULL";

macro_rules! claim_deliveries {
    ($open:literal, $close:literal) => {
        concat!(
            "UPDATE outbox SET worker = $1, due_at = $2, attempts = attempts + 1 WHERE id ",
            $open,
            "SELECT id FROM outbox WHERE state = 3 AND endpoint_id = $3 AND due_at <= $4 ORDER BY due_at LIMIT $5",
            $close,
            " RETURNING ",
            delivery!("")
        )
    };
}

/// `$1` worker, `$2` end of the lease, `$3` endpoint, `$4` now, `$5` how many. PostgreSQL passes over rows that another
/// worker is claiming, and takes the ids as an array, as for messages.
pub(super) const CLAIM_DELIVERIES: Pair = Pair {
    sqlite: claim_deliveries!("IN (", ")"),
    postgres: claim_deliveries!("= ANY(ARRAY(", " FOR UPDATE SKIP LOCKED))"),
};

/// `$1` 1 for delivered, 2 for given up; `$2` why.
pub(super) const SETTLE_DELIVERY: &str = "UPDATE outbox SET state = $1, error = $2, payload = NULL, worker = NULL, \
    due_at = expires_at WHERE id = $3 AND worker = $4 AND state = 3";

pub(super) const RETRY_DELIVERY: &str = "UPDATE outbox SET due_at = $1, error = $2, worker = NULL \
    WHERE id = $3 AND worker = $4 AND state = 3";

macro_rules! last_delivery {
    ($state:literal, $order:literal) => {
        concat!(
            "SELECT * FROM (SELECT state, attempts, due_at, created_at, error FROM outbox WHERE state = ",
            $state,
            " AND endpoint_id = $1 ORDER BY due_at",
            $order,
            " LIMIT 1) AS s",
            $state
        )
    };
}

/// Of an endpoint the delivery that was made last, the one that was given up last, and the next that waits.
pub(super) const LAST_DELIVERIES: &str = concat!(
    last_delivery!("1", " DESC"),
    " UNION ALL ",
    last_delivery!("2", " DESC"),
    " UNION ALL ",
    last_delivery!("3", "")
);

/// Deliveries that could not even be tried for so long.
pub(super) const PURGE_STALE_DELIVERIES: &str = "DELETE FROM outbox WHERE id IN \
    (SELECT id FROM outbox WHERE state = 3 AND due_at <= $1 ORDER BY due_at LIMIT $2)";
