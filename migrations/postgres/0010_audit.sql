-- What personal data may leave the history by, documents that were moved to files, and finding checkpoints.

-- 16 bytes in hexadecimal, with which the hash covers actor and body; none: an entry of the first format, or a redacted one.
ALTER TABLE entries ADD COLUMN salt TEXT;
-- Of a redacted entry of the second format: what the hash covers in place of the actor and body that it had.
ALTER TABLE entries ADD COLUMN digest TEXT;
-- Position of the entry that tells of its redaction.
ALTER TABLE entries ADD COLUMN redacted BIGINT;
CREATE INDEX entries_checkpoints ON entries (seq) WHERE kind = 'history.checkpoint';

-- Actor and body may be replaced if an entry that stands in the history before it is done tells of it. Nothing else may change.
CREATE OR REPLACE FUNCTION entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.seq = OLD.seq AND NEW.at = OLD.at AND NEW.kind = OLD.kind AND NEW.request_id IS NOT DISTINCT FROM OLD.request_id
            AND NEW.job_id IS NOT DISTINCT FROM OLD.job_id AND NEW.attempt_id IS NOT DISTINCT FROM OLD.attempt_id
            AND NEW.prev = OLD.prev AND NEW.hash = OLD.hash
            AND NEW.salt IS NULL AND (NEW.digest IS NOT DISTINCT FROM OLD.digest OR OLD.salt IS NOT NULL)
            AND NEW.redacted > COALESCE(OLD.redacted, OLD.seq)
            AND EXISTS (SELECT 1 FROM entries e WHERE e.seq = NEW.redacted AND e.kind = 'history.redacted')) IS TRUE THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'entries are append-only';
END $$;

-- A prompt or a piece of evidence that was moved to a file.
CREATE TABLE archive (
    -- `prompt/JOB` or `evidence/ID`.
    id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    -- SHA-256 of the file's content.
    digest TEXT NOT NULL,
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    -- The folder, as whoever moved it named it.
    place TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX archive_by_job ON archive (job_id);
