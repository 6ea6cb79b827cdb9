-- What policy said of each job when it was planned.

-- The credential that works on it.
ALTER TABLE jobs ADD COLUMN identity TEXT NOT NULL DEFAULT '';
UPDATE jobs SET identity = (SELECT identity FROM requests WHERE requests.id = jobs.request_id);
-- The slice of its request that it is in, from 1; 0: the request has no waves.
ALTER TABLE jobs ADD COLUMN wave BIGINT NOT NULL DEFAULT 0 CHECK (wave >= 0);
-- What was found beside a plain "allowed"; none: nothing.
ALTER TABLE jobs ADD COLUMN findings_json TEXT;
