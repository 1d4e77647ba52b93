-- When a code sent to a contact was last used; 0: never.
ALTER TABLE contact_limits ADD COLUMN proven_at BIGINT NOT NULL DEFAULT 0;

-- Counters that all servers share, in windows that open with their first event: sends and failures of prefixes, countries,
-- identifiers and organizations, and what an organization spent. The window before is kept beside the one that is open.
CREATE TABLE limit_counters (
    tenant_id BYTEA NOT NULL,
    scope TEXT NOT NULL,
    since BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    verified BIGINT NOT NULL DEFAULT 0,
    previous_amount BIGINT NOT NULL DEFAULT 0,
    previous_verified BIGINT NOT NULL DEFAULT 0,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, scope)
) /*sqlite: WITHOUT ROWID*/;

-- The purge.
CREATE INDEX limit_counters_by_expiry ON limit_counters (expires_at);

-- Who was limited, by the hour. Contacts are masked, identifiers hashed.
CREATE TABLE abuse_records (
    tenant_id BYTEA NOT NULL,
    hour BIGINT NOT NULL,
    limit_name TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    hits BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hour, limit_name, action, subject)
) /*sqlite: WITHOUT ROWID*/;

-- The purge.
CREATE INDEX abuse_records_by_age ON abuse_records (hour);
