-- The language of a parent's messages for whom none was asked for, a BCP 47 tag.
ALTER TABLE organizations ADD COLUMN locale TEXT;

-- A template's language, the text of its SMS, and which messages it has: 1 an e-mail, 2 an SMS.
ALTER TABLE templates ADD COLUMN locale TEXT;
ALTER TABLE templates ADD COLUMN sms TEXT;
ALTER TABLE templates ADD COLUMN parts BIGINT NOT NULL DEFAULT 1;

-- The choice among an organization's templates reads none of their texts.
CREATE INDEX templates_by_language ON templates (organization_id, id, locale, parts);
