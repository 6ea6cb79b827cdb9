-- The ledger. Times are milliseconds since the epoch, UTC; amounts are whole and below 2^53; ids are UUID text;
-- columns that end in _json hold JSON text. The same tables on SQLite and PostgreSQL.

CREATE TABLE head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- Transactions that changed anything: whoever finds the number that it left knows that nobody else has written.
    writes BIGINT NOT NULL
);

CREATE TABLE entries (
    seq BIGINT PRIMARY KEY CHECK (seq > 0),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    request_id TEXT,
    job_id TEXT,
    attempt_id TEXT,
    actor TEXT NOT NULL,
    body_json TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX entries_by_job ON entries (job_id, seq) WHERE job_id IS NOT NULL;
-- Of the request itself; those of its jobs are found by job.
CREATE INDEX entries_by_request ON entries (request_id, seq) WHERE request_id IS NOT NULL AND job_id IS NULL;

CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    first_used_at BIGINT NOT NULL
);

CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    idempotency_key TEXT,
    body_digest TEXT NOT NULL,
    plan_digest TEXT NOT NULL,
    template TEXT NOT NULL,
    template_version BIGINT NOT NULL,
    template_digest TEXT NOT NULL,
    requester TEXT NOT NULL,
    team TEXT NOT NULL,
    owner TEXT NOT NULL,
    reason TEXT,
    identity TEXT NOT NULL,
    inputs_json TEXT NOT NULL,
    spec_json TEXT NOT NULL,
    skipped_json TEXT NOT NULL,
    jobs BIGINT NOT NULL CHECK (jobs >= 0),
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX requests_by_idempotency_key ON requests (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX requests_by_time ON requests (created_at);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    position BIGINT NOT NULL,
    repository TEXT NOT NULL,
    model TEXT,
    prompt_digest TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('held', 'queued', 'starting', 'start_unknown', 'running', 'waiting_for_user',
        'verifying', 'in_review', 'quarantined', 'succeeded', 'rejected', 'dead', 'cancelled')),
    state_since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    due_at BIGINT,
    deadline_at BIGINT,
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    attempt_id TEXT,
    episode BIGINT NOT NULL,
    reviewer TEXT,
    pull_number BIGINT,
    pull_json TEXT,
    outcome_json TEXT,
    replay_of TEXT,
    discarded_at BIGINT,
    -- A job that is driven has an attempt.
    CHECK (attempt_id IS NOT NULL OR state NOT IN ('starting', 'start_unknown', 'running', 'waiting_for_user',
        'verifying', 'in_review')),
    CHECK (discarded_at IS NULL OR state = 'dead')
);
CREATE INDEX jobs_by_state ON jobs (state, position);
CREATE INDEX jobs_by_request ON jobs (request_id, position);
CREATE INDEX jobs_by_repository ON jobs (repository, position);
CREATE UNIQUE INDEX jobs_by_replay ON jobs (replay_of) WHERE replay_of IS NOT NULL;

CREATE TABLE prompts (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id),
    prompt TEXT NOT NULL
);

CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    number BIGINT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('intent', 'unknown', 'live', 'done', 'ended')),
    nonce TEXT NOT NULL,
    worker_id TEXT NOT NULL,
    token BIGINT NOT NULL,
    identity TEXT NOT NULL,
    model TEXT,
    intent_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    end_reason TEXT,
    task_id TEXT,
    task_url TEXT,
    remote_state TEXT,
    remote_since BIGINT,
    remote_updated_at BIGINT,
    session_count BIGINT,
    branch TEXT,
    pull_database_id BIGINT,
    model_used TEXT,
    nano_credits BIGINT,
    counted BIGINT NOT NULL CHECK (counted IN (0, 1)),
    CHECK (task_id IS NOT NULL OR phase NOT IN ('live', 'done'))
);
CREATE UNIQUE INDEX attempts_by_number ON attempts (job_id, number);
CREATE UNIQUE INDEX attempts_by_task ON attempts (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX attempts_by_phase ON attempts (phase) WHERE phase <> 'ended';
CREATE INDEX attempts_by_worker ON attempts (worker_id) WHERE phase <> 'ended';

CREATE TABLE budgets (
    id TEXT PRIMARY KEY,
    used BIGINT NOT NULL CHECK (used >= 0),
    limit_override BIGINT CHECK (limit_override >= 0),
    closed_json TEXT,
    version BIGINT NOT NULL
);

CREATE TABLE holds (
    id TEXT PRIMARY KEY,
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    job_id TEXT NOT NULL,
    budget_id TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    release TEXT NOT NULL CHECK (release IN ('agent_stops', 'change', 'settled', 'expiry')),
    taken_at BIGINT NOT NULL,
    expires_at BIGINT,
    released_at BIGINT,
    released_by TEXT,
    -- One release, with its reason.
    CHECK ((released_at IS NULL) = (released_by IS NULL))
);
CREATE INDEX holds_by_job ON holds (job_id) WHERE released_at IS NULL;
CREATE INDEX holds_by_budget ON holds (budget_id) WHERE released_at IS NULL;
CREATE INDEX holds_by_expiry ON holds (expires_at) WHERE released_at IS NULL AND expires_at IS NOT NULL;

CREATE TABLE evidence (
    id TEXT PRIMARY KEY,
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    job_id TEXT NOT NULL REFERENCES jobs (id),
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    body_json TEXT NOT NULL
);
CREATE INDEX evidence_by_job ON evidence (job_id);

CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    dedup TEXT NOT NULL,
    kind TEXT NOT NULL,
    job_id TEXT,
    request_id TEXT,
    body_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT,
    delivered_at BIGINT,
    dead_at BIGINT,
    last_error TEXT
);
CREATE UNIQUE INDEX outbox_by_dedup ON outbox (dedup);
CREATE INDEX outbox_by_due ON outbox (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX outbox_by_job ON outbox (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    token BIGINT NOT NULL,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    -- Position of the history up to which it knows every closed gate and withdrawn job.
    seen BIGINT NOT NULL,
    stopped_at BIGINT
);
CREATE UNIQUE INDEX workers_by_token ON workers (token);
CREATE INDEX workers_by_life ON workers (id) WHERE stopped_at IS NULL;

-- What one worker does alone. Held as long as the worker lives.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    worker_id TEXT NOT NULL REFERENCES workers (id),
    since BIGINT NOT NULL
);

INSERT INTO head (id, seq, hash, at, writes) VALUES (1, 0, 'genesis', 0, 0);

-- History cannot be changed or removed, whoever asks.
CREATE FUNCTION entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'entries are append-only'; END $$;
CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE ON entries FOR EACH ROW EXECUTE FUNCTION entries_are_append_only();
CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION entries_are_append_only();
