-- Which providers messages leave by, what providers call the messages they took, and contacts that are left alone because of
-- what became of them.

-- An organization's own routes, as JSON: a row only where it has some, read with the messages that are claimed.
CREATE TABLE delivery_routes (
    organization_id BYTEA NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*sqlite: WITHOUT ROWID*/;

-- Messages that a provider took and has a name for, so that its receipts find them when the message itself is long gone.
-- `mail` is JSON: sender, recipient and Message-ID of an e-mail. `told` is a set of bits: what the provider told so far.
CREATE TABLE handed_over (
    provider TEXT NOT NULL,
    provider_message_id TEXT NOT NULL,
    message_id BYTEA NOT NULL,
    organization_id BYTEA NOT NULL,
    tenant_id BYTEA NOT NULL,
    channel BIGINT NOT NULL,
    contact_key BYTEA NOT NULL,
    mail TEXT,
    handed_at BIGINT NOT NULL,
    told BIGINT NOT NULL,
    PRIMARY KEY (provider, provider_message_id)
) /*sqlite: WITHOUT ROWID*/;

-- The purge; rows come in its order, so it grows at its end only.
CREATE INDEX handed_over_by_age ON handed_over (handed_at);

-- Contacts that get no messages for a while: 1 after a bounce, 2 after a complaint. With the limits, which are read anyway.
ALTER TABLE contact_limits ADD COLUMN suppressed_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE contact_limits ADD COLUMN suppressed_for BIGINT NOT NULL DEFAULT 0;
