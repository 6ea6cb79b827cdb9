-- Freezes that were made while the daemon runs, and exceptions from any freeze. What the file of freezes says is not here.

CREATE TABLE freezes (
    name TEXT PRIMARY KEY,
    -- As it was written.
    body_json TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    lifted_at BIGINT
);

CREATE TABLE exemptions (
    -- The position of the entry that tells of it.
    id TEXT PRIMARY KEY,
    -- None: from every freeze.
    of_freeze TEXT,
    exempt_json TEXT NOT NULL,
    until BIGINT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX exemptions_by_end ON exemptions (until);
