-- What became of e-mails, for list_email_events: kept as long as activities. No code and no text of a message is in it.
CREATE TABLE message_events (
    tenant_id BYTEA NOT NULL,
    contact_key BYTEA NOT NULL,
    id BYTEA NOT NULL,
    organization_id BYTEA NOT NULL,
    kind BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    from_address TEXT NOT NULL,
    to_address TEXT NOT NULL,
    details TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, contact_key, id)
) /*sqlite: WITHOUT ROWID*/;

-- The purge; rows come in its order, so it grows at its end only.
CREATE INDEX message_events_by_age ON message_events (created_at);
