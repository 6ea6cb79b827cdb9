-- What people have said of things that need a person. The things themselves are found in the other tables.
CREATE TABLE desk (
    -- Kind, what it is about, and since when.
    id TEXT PRIMARY KEY,
    acknowledged_by TEXT,
    acknowledged_at BIGINT,
    snoozed_until BIGINT,
    assignee TEXT,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL
);
-- Held jobs that no wave keeps, and those that policy leaves to a person.
CREATE INDEX jobs_for_approval ON jobs (request_id) WHERE state = 'held' AND (wave <= 1 OR findings_json IS NOT NULL);
CREATE INDEX waves_for_people ON waves (state) WHERE state IN ('doubtful', 'paused');
CREATE INDEX breakers_at_work ON breakers (since) WHERE state <> 'closed';
