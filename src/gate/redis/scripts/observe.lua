-- The ledger's figures; one that is not newer than the known one changes nothing.
--
-- Asked     {figures, figures with a closure}, each a flat list
--           figure: key, one byte (1, and 2 if there is a limit), version, used and limit as seven bytes each;
--           with a closure: key, used, limit or false, {reason, actor, since, opens at or false}, version
-- Returns   0
-- Effects   writes figures, marks budgets with waiters; wakes a worker

begin_change()
observe(asked, {})
return finish_figures(0)
