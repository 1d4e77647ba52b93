-- What an organization defines for itself (policies, session profiles, user tags), what users carry of it, and activities
-- that wait for votes.

-- One table for things of which an organization has a hundred at most, which are changed by administrators only and read
-- whole. `body` is JSON; changes are guarded by the organization's version.
CREATE TABLE definitions (
    organization_id BYTEA NOT NULL,
    kind BIGINT NOT NULL,
    id BYTEA NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, kind, id)
) /*sqlite: WITHOUT ROWID*/;

-- Names are unique.
CREATE UNIQUE INDEX definitions_by_name ON definitions (organization_id, kind, name);

-- JSON arrays: ids of tags, and MFA policies in their order.
ALTER TABLE users ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE users ADD COLUMN mfa_policies TEXT NOT NULL DEFAULT '[]';

-- When and how the user of a session key authenticated; JSON.
ALTER TABLE credentials ADD COLUMN authentication TEXT;

-- Rises with each vote and with the outcome; the guard of both.
ALTER TABLE activities ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

-- Why it failed, or was refused; JSON.
ALTER TABLE activities ADD COLUMN failure TEXT;

-- Votes and what the policies said to each; JSON, absent for activities that nobody had to vote on.
ALTER TABLE activities ADD COLUMN deliberation TEXT;

-- Issuer, subject and audience of an OAuth identity, whose look-up bytes are their hash; JSON.
ALTER TABLE credentials ADD COLUMN oauth TEXT;
