-- The first schema. Migrations are append-only: a released file is never edited, its checksum is in the database.
--
-- One text serves both dialects. BYTEA holds ids (16 bytes), hashes (32 bytes) and sealed texts; BIGINT holds epoch
-- milliseconds, counters and codes; JSON is TEXT. What only one dialect understands stands in a comment of the form
-- `/*sqlite: ...*/` or `/*postgres: ...*/`, which that dialect reads without its frame.
--
-- Tables are keyed by the organization, or by its tenant (the parent) where a look-up goes across sub-organizations.
-- The path of a login touches as few B-trees as its guards allow; the comments name the reason of each index.

CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) /*sqlite: WITHOUT ROWID*/;

CREATE TABLE organizations (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant_id BYTEA NOT NULL,
    parent_id BYTEA,
    name TEXT NOT NULL,
    features TEXT NOT NULL,
    quorum TEXT NOT NULL,
    suspended_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*sqlite: WITHOUT ROWID*/;

-- Lists of sub-organizations, newest first, and of parents (parent_id is null).
CREATE INDEX organizations_by_parent ON organizations (parent_id, id);
CREATE INDEX organizations_by_name ON organizations (parent_id, name, id);

CREATE TABLE users (
    organization_id BYTEA NOT NULL,
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    phone TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id)
) /*sqlite: WITHOUT ROWID*/;

-- Sub-organizations by the name of a user.
CREATE INDEX users_by_name ON users (tenant_id, name, organization_id);

CREATE TABLE contacts (
    tenant_id BYTEA NOT NULL,
    contact_key BYTEA NOT NULL,
    organization_id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    verified_at BIGINT,
    PRIMARY KEY (tenant_id, contact_key, organization_id, user_id)
) /*sqlite: WITHOUT ROWID*/;

-- Verified holders are found without passing over any number of unverified ones.
CREATE INDEX contacts_verified ON contacts (tenant_id, contact_key, organization_id, user_id, verified_at)
    WHERE verified_at IS NOT NULL;

-- The contacts of a user, and whether an organization has a verified one.
CREATE INDEX contacts_by_user ON contacts (organization_id, user_id, verified_at);

-- One account per contact may sign up through the proxy (D-12).
CREATE TABLE contact_claims (
    tenant_id BYTEA NOT NULL,
    contact_key BYTEA NOT NULL,
    claimed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, contact_key)
) /*sqlite: WITHOUT ROWID*/;

CREATE TABLE credentials (
    organization_id BYTEA NOT NULL,
    tenant_id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    kind BIGINT NOT NULL,
    name TEXT NOT NULL,
    lookup BYTEA NOT NULL,
    public_key BYTEA NOT NULL,
    passkey TEXT,
    expiration_seconds BIGINT,
    expires_at BIGINT,
    session_profile_id BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, user_id, id)
) /*sqlite: WITHOUT ROWID*/;

-- What a stamp names; unique within an organization (G-CRED-1).
CREATE UNIQUE INDEX credentials_by_lookup ON credentials (tenant_id, lookup, organization_id);

-- The purge of expired keys.
CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE expires_at IS NOT NULL;

-- Keyed by tenant, because the reserve retires attempts of any organization of the tenant.
CREATE TABLE otps (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    organization_id BYTEA NOT NULL,
    flavour BIGINT NOT NULL,
    otp_type BIGINT NOT NULL,
    contact TEXT NOT NULL,
    contact_key BYTEA NOT NULL,
    identifier_key BYTEA,
    code_key_id TEXT NOT NULL,
    code_hash BYTEA NOT NULL,
    user_id BYTEA,
    target_key BYTEA,
    attempts_left BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) /*sqlite: WITHOUT ROWID*/;

-- The purge; rows come in its order, so it grows at its end only.
CREATE INDEX otps_by_expiry ON otps (expires_at);

CREATE TABLE tokens (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    organization_id BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    legacy BIGINT NOT NULL,
    otp_type BIGINT NOT NULL,
    contact TEXT NOT NULL,
    contact_key BYTEA NOT NULL,
    public_key TEXT,
    expires_at BIGINT NOT NULL,
    signed_up_at BIGINT,
    PRIMARY KEY (tenant_id, id)
) /*sqlite: WITHOUT ROWID*/;

CREATE INDEX tokens_by_expiry ON tokens (expires_at);

-- With row ids in SQLite: rows are long, and clustered ones would spill into overflow pages.
CREATE TABLE activities (
    organization_id BYTEA NOT NULL,
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    activity_type TEXT NOT NULL,
    status BIGINT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    submitter_organization_id BYTEA NOT NULL,
    submitter_user_id BYTEA NOT NULL,
    vote_id BYTEA NOT NULL,
    public_key TEXT NOT NULL,
    signature TEXT NOT NULL,
    scheme TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    intent TEXT NOT NULL,
    result TEXT NOT NULL,
    sealed BYTEA,
    message TEXT NOT NULL,
    PRIMARY KEY (organization_id, id)
);

CREATE UNIQUE INDEX activities_by_fingerprint ON activities (tenant_id, fingerprint);
CREATE INDEX activities_by_age ON activities (created_at);

CREATE TABLE refused_guesses (
    organization_id BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    otp_id BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, fingerprint)
) /*sqlite: WITHOUT ROWID*/;

CREATE INDEX refused_guesses_by_expiry ON refused_guesses (expires_at);

-- Changed up to three times by a login, so no index follows touched_at; the purge walks the table instead.
CREATE TABLE contact_limits (
    tenant_id BYTEA NOT NULL,
    contact_key BYTEA NOT NULL,
    send_1 BIGINT NOT NULL DEFAULT 0,
    send_2 BIGINT NOT NULL DEFAULT 0,
    send_3 BIGINT NOT NULL DEFAULT 0,
    reserve_1 BIGINT NOT NULL DEFAULT 0,
    reserve_2 BIGINT NOT NULL DEFAULT 0,
    slot_1_otp BYTEA,
    slot_1_until BIGINT NOT NULL DEFAULT 0,
    slot_2_otp BYTEA,
    slot_2_until BIGINT NOT NULL DEFAULT 0,
    slot_3_otp BYTEA,
    slot_3_until BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    failed_at BIGINT NOT NULL DEFAULT 0,
    touched_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, contact_key)
) /*sqlite: WITHOUT ROWID*/;

CREATE TABLE identifier_limits (
    tenant_id BYTEA NOT NULL,
    identifier_key BYTEA NOT NULL,
    send_1 BIGINT NOT NULL DEFAULT 0,
    send_2 BIGINT NOT NULL DEFAULT 0,
    send_3 BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, identifier_key)
) /*sqlite: WITHOUT ROWID*/;

CREATE TABLE trusted_identifiers (
    tenant_id BYTEA NOT NULL,
    contact_key BYTEA NOT NULL,
    identifier_key BYTEA NOT NULL,
    trusted_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, contact_key, identifier_key)
) /*sqlite: WITHOUT ROWID*/;

-- state: 0 waiting, 1 sent, 2 failed. due_at: when it may be claimed, which under a lease is when the lease ends; once
-- settled, when the row may go.
CREATE TABLE outbox (
    id BYTEA NOT NULL PRIMARY KEY,
    organization_id BYTEA NOT NULL,
    tenant_id BYTEA NOT NULL,
    otp_id BYTEA NOT NULL,
    channel BIGINT NOT NULL,
    payload BYTEA,
    state BIGINT NOT NULL DEFAULT 0,
    worker BYTEA,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    error TEXT
) /*sqlite: WITHOUT ROWID*/;

-- Claims, and the purge of settled rows.
CREATE INDEX outbox_by_due ON outbox (state, due_at);

CREATE TABLE templates (
    organization_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    html TEXT NOT NULL,
    body_text TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id)
);

CREATE TABLE proxy_configs (
    organization_id BYTEA NOT NULL PRIMARY KEY,
    id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    sealed_key BYTEA NOT NULL,
    settings TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX proxy_configs_by_id ON proxy_configs (id);
