-- Deliveries of webhooks: what came in, and what became of it. What a delivery says stands beside it, since lists never need it.

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    hook TEXT NOT NULL,
    -- As its sender names it.
    sender_id TEXT NOT NULL,
    -- Of the signed bytes, where the signature does not cover the name.
    fingerprint TEXT,
    event TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    signed_at BIGINT,
    -- Which of the hook's secrets it was signed with, from 0.
    secret BIGINT NOT NULL CHECK (secret >= 0),
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    state TEXT NOT NULL CHECK (state IN ('received', 'done', 'ignored', 'unmapped', 'refused')),
    reason TEXT,
    request_id TEXT REFERENCES requests (id),
    -- How often it was begun anew after it had been left lying.
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    -- From then on anybody may go on with it.
    due_at BIGINT,
    settled_at BIGINT,
    CHECK ((state = 'received') = (due_at IS NOT NULL))
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (sender_id, hook);
CREATE INDEX deliveries_by_fingerprint ON deliveries (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (due_at) WHERE state = 'received';
CREATE INDEX deliveries_for_people ON deliveries (settled_at) WHERE state IN ('unmapped', 'refused');

CREATE TABLE payloads (
    delivery_id TEXT PRIMARY KEY REFERENCES deliveries (id),
    -- Never a signature or a secret.
    headers_json TEXT NOT NULL,
    payload_json TEXT NOT NULL
);

-- Finding the work that an event is about.
CREATE INDEX jobs_in_review ON jobs (repository) WHERE state = 'in_review';
CREATE INDEX attempts_by_branch ON attempts (branch) WHERE phase <> 'ended';
