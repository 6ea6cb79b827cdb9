-- A notice goes to several receivers, to each at its own time; and what a request comes to is told in one message.

-- The routes that fitted, by name; none: it was not looked at yet, or was done with before there were routes.
ALTER TABLE outbox ADD COLUMN route TEXT;
CREATE INDEX outbox_unrouted ON outbox (created_at) WHERE next_at IS NOT NULL AND route IS NULL;
CREATE INDEX outbox_by_time ON outbox (created_at, id);

CREATE TABLE mailings (
    -- `NOTICE/SINK`.
    id TEXT PRIMARY KEY,
    notice_id TEXT NOT NULL REFERENCES outbox (id),
    sink TEXT NOT NULL,
    -- When it is tried first.
    due_at BIGINT NOT NULL,
    -- 1: in one message with others.
    bundled BIGINT NOT NULL CHECK (bundled IN (0, 1)),
    -- That message, once it is put together.
    digest_id TEXT,
    tries BIGINT NOT NULL,
    next_at BIGINT,
    delivered_at BIGINT,
    dead_at BIGINT,
    last_error TEXT
);
CREATE INDEX mailings_by_notice ON mailings (notice_id);
CREATE INDEX mailings_by_due ON mailings (sink, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX mailings_by_digest ON mailings (digest_id) WHERE digest_id IS NOT NULL;

-- What a request comes to, as one receiver has it.
CREATE TABLE summaries (
    -- `REQUEST/SINK`.
    id TEXT PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    sink TEXT NOT NULL,
    -- Position of the history up to which it is known whether there is something to tell.
    seq BIGINT NOT NULL,
    -- By which the receiver knows its message.
    handle TEXT,
    -- Of what the receiver has.
    digest TEXT,
    -- When it was last told, or found to say the same.
    sent_at BIGINT,
    tries BIGINT NOT NULL,
    next_at BIGINT,
    dead_at BIGINT,
    last_error TEXT
);
CREATE INDEX summaries_by_due ON summaries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX summaries_by_seq ON summaries (seq);
CREATE INDEX summaries_by_request ON summaries (request_id);
