-- The ledger's answers to proposals, and the figures that it left. Charges and figures first, places after: no job is
-- judged by half of the news. A stale token changes nothing; one of an earlier epoch only tells that the job has left.
--
-- Asked     {verdicts, figures}, each a flat list
--           verdict: job, token, 1 admitted | 2 refused | 3 gone | 4 unanswered, key that refused, its words;
--           figures as in `observe`
-- Returns   0
-- Effects   closes proposals, removes or returns their jobs, marks budgets; wakes a worker

begin_change()
local verdicts, ids = asked[1], {}
for at = 1, #verdicts, 5 do ids[#ids + 1] = verdicts[at] end
load_opens(ids)
local left, closed, ended, flowing, given = {}, {}, {}, {}, {}
for at = 1, #verdicts, 5 do
  local id, token, kind = unpack(verdicts, at, at + 2)
  local is_closed_now, again = close_proposal(id, token, given)
  if is_closed_now then
    closed[#closed + 1], closed[#closed + 2] = at, again
    local found = job(id)
    ended[#ended + 1] = found.class
    flowing[#flowing + 1] = found.flow
  elseif token <= token_base and (kind == ADMITTED or kind == GONE) and not open_of(id) then
    left[#left + 1] = id
  end
end
observe(asked[2], given)
give_back(given)
load_classes(ended)
load_flows(flowing)
for nth = 1, #closed, 2 do
  local at, again = closed[nth], closed[nth + 1]
  local found, kind = job(verdicts[at]), verdicts[at + 2]
  if kind == ADMITTED or kind == GONE then
    forget(found)
    if again then offer_one(again[1], 1, again[2]) end
  elseif kind == UNANSWERED then
    enter_class(found)
  else
    take_back(found, verdicts[at + 1], verdicts[at + 3], verdicts[at + 4])
  end
end
withdraw(left)
return finish(0)
