-- Lists that stay short work in long tables.

-- Sub-organizations with a verified contact, without passing over those that have none. Grows when a contact is first proved.
CREATE INDEX contacts_verified_by_organization ON contacts (tenant_id, organization_id, verified_at)
    WHERE verified_at IS NOT NULL;

-- Activities of some types or in some states: a parent has millions, nearly all of them completed steps of logins.
CREATE INDEX activities_by_type ON activities (organization_id, activity_type, status, id);
