-- Proposes jobs that fit, each charged until it is settled or lapses.
--
-- Asked     how many at most
-- Returns   {whether there is more to look at, {{job, token, class}, ...}}
-- Effects   a bounded number of steps: wakes, tests, parks; charges what is proposed

if not is_open then return { 'building' } end
begin_change()
local list = {}
look_ahead(asked)
for _ = 1, asked * STEPS_PER_PROPOSAL + SPARE_STEPS do
  if #list >= asked or not has_work() then break end
  list[#list + 1] = step()
end
local more = has_work() and true or false
is_worth_waking = more
return finish({ more, list })
