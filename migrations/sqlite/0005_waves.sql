-- Widening a request step by step, the approvals that people give, and the breakers that stop a storm of failures.

-- The checks of the newest commit of its pull request, as last seen; none: nobody has looked.
ALTER TABLE jobs ADD COLUMN checks_json TEXT;
-- 1: a task ran out of time, and from then on the template's smaller scope counts.
ALTER TABLE jobs ADD COLUMN fallen_back BIGINT NOT NULL DEFAULT 0 CHECK (fallen_back IN (0, 1));

-- How far the waves of a request are.
CREATE TABLE waves (
    request_id TEXT PRIMARY KEY REFERENCES requests (id),
    total BIGINT NOT NULL CHECK (total >= 1),
    -- The newest wave that is open.
    opened BIGINT NOT NULL CHECK (opened >= 1 AND opened <= total),
    opened_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'doubtful', 'paused', 'over', 'aborted')),
    since BIGINT NOT NULL,
    actor TEXT NOT NULL,
    note TEXT
);
CREATE INDEX waves_at_work ON waves (state) WHERE state = 'open';

-- One word of one person about a request, a job or a wave; given again, it takes the place of the one before.
CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    about TEXT NOT NULL,
    digest TEXT NOT NULL,
    actor TEXT NOT NULL,
    roles_json TEXT NOT NULL,
    reason TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX approvals_by_request ON approvals (request_id);

-- What ended lately of one template, version and model, and whether that keeps its gate closed.
CREATE TABLE breakers (
    id TEXT PRIMARY KEY,
    gate TEXT NOT NULL,
    template TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    since BIGINT NOT NULL,
    -- How often it has opened without closing in between.
    trips BIGINT NOT NULL CHECK (trips >= 0),
    canary_job TEXT,
    canary_attempt TEXT,
    reason TEXT,
    window_json TEXT NOT NULL,
    history_json TEXT NOT NULL,
    -- Exactly one job is let through, and only by a breaker that is half open.
    CHECK ((state = 'half_open') = (canary_job IS NOT NULL))
);
CREATE INDEX breakers_by_gate ON breakers (gate);
