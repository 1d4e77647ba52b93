-- Webhooks. The endpoints of an organization stand in its row, which every request reads anyway: a JSON array of at most ten.
ALTER TABLE organizations ADD COLUMN webhooks TEXT NOT NULL DEFAULT '[]';

-- A delivery to an endpoint is a row of the outbox whose state is 3 while it waits, so that messages, which wait in state 0,
-- are claimed without ever passing over deliveries. The endpoint, or, for the legacy webhook of a feature, the organization
-- itself. organization_id is whose endpoint it is, otp_id the event, and channel 3.
ALTER TABLE outbox ADD COLUMN endpoint_id BYTEA;

-- Deliveries by endpoint, so that one that does not answer holds up no other; messages are not in it.
CREATE INDEX outbox_by_endpoint ON outbox (state, endpoint_id, due_at) WHERE endpoint_id IS NOT NULL;
