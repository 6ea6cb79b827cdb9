-- Tokens of the HTTP interface. What is kept of one is a digest: the token itself was shown once.

CREATE TABLE tokens (
    -- The part of the token that names it.
    id TEXT PRIMARY KEY,
    -- Who acts by it. Several at once have the same name while one takes the place of another.
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    grant_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    -- None: it does not end by itself.
    expires_at BIGINT,
    revoked_at BIGINT,
    -- About: not written more often than once an hour.
    used_at BIGINT
);
CREATE INDEX tokens_by_name ON tokens (name);
