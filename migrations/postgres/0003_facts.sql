-- What was found out of repositories, for a while. No part of the history: it may be emptied at any time.
CREATE TABLE facts (
    -- Identity and repository, since each identity sees its own.
    id TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    repository TEXT NOT NULL,
    -- When the oldest part of it was asked.
    asked_at BIGINT NOT NULL,
    facts_json TEXT NOT NULL
);

-- The open pull request that a job goes on with; none: it opens its own.
ALTER TABLE jobs ADD COLUMN adopts_json TEXT;
