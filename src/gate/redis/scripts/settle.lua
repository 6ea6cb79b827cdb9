-- The ledger's answers to proposals, and the figures that it left. Figures and charges first, places after: no job is
-- judged by half of the news. A stale token changes nothing; one of an earlier epoch only tells that the job has left.
--
-- Asked     {verdicts, figures}
--           verdict: {job, token, 1 admitted | 2 refused | 3 gone | 4 unanswered, key that refused, its words};
--           figure: {key, used, limit or false, {reason, actor, since, opens at or false} or false, version}
-- Returns   0
-- Effects   closes proposals, removes or returns their jobs, marks budgets; wakes a worker

begin_change()
observe(asked[2])
local ids = {}
for at, verdict in ipairs(asked[1]) do ids[at] = verdict[1] end
load_opens(ids)
local left, closed, ended, flowing = {}, {}, {}, {}
for _, verdict in ipairs(asked[1]) do
  local is_closed_now, again = close_proposal(verdict[1], verdict[2])
  if is_closed_now then
    closed[#closed + 1] = { verdict, again }
    local found = job(verdict[1])
    ended[#ended + 1] = found.class
    flowing[#flowing + 1] = found.flow
  elseif verdict[2] <= token_base and (verdict[3] == ADMITTED or verdict[3] == GONE) and not open_of(verdict[1]) then
    left[#left + 1] = verdict[1]
  end
end
load_classes(ended)
load_flows(flowing)
for _, one in ipairs(closed) do
  local verdict, again = one[1], one[2]
  local found, kind = job(verdict[1]), verdict[3]
  if kind == ADMITTED or kind == GONE then
    forget(found)
    if again then offer_one(again[1], 1, again[2]) end
  elseif kind == UNANSWERED then
    enter_class(found)
  else
    take_back(found, verdict[2], verdict[4], verdict[5])
  end
end
withdraw(left)
return finish(0)
