-- The ledger's figures; one that is not newer than the known one changes nothing.
--
-- Asked     key, used, limit or false, {reason, actor, since, opens at or false} or false, version; and so on, in one list
-- Returns   0
-- Effects   writes figures, marks budgets with waiters; wakes a worker

begin_change()
observe(asked)
return finish_figures(0)
