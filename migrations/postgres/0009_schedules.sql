-- How far each schedule of the configuration has been considered, and who has paused it. The times that it comes at are worked
-- out from the configuration; which of them were handed in is the authority of this table.

CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    -- The line of cron and the zone that it was last read with; empty while it is switched off.
    times TEXT NOT NULL,
    -- No nominal time up to this one is looked at again.
    considered_at BIGINT NOT NULL,
    paused_at BIGINT,
    paused_by TEXT,
    paused_reason TEXT,
    last_request TEXT,
    -- The latest times, with what became of each.
    history_json TEXT NOT NULL
);
