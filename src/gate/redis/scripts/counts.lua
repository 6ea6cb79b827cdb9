-- Counters for metrics.
--
-- Asked     0
-- Returns   {waiting, proposed, classes, ready classes, jobs with a time, dirty budgets}
-- Effects   none

local proposed, timed = call('HLEN', base .. 'open'), call('ZCARD', due.key)
return { 'ok', ops, write({
  math.max(totals.jobs - proposed - timed, 0), proposed, totals.lined, call('ZCARD', ready.key), timed,
  call('ZCARD', dirty.key),
}) }
