-- What became of the messages of one contact, for whoever answers its owner's question.
CREATE INDEX handed_over_by_contact ON handed_over (tenant_id, contact_key, handed_at);
