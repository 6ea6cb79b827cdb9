-- When `propose` has something to look at next.
--
-- Asked     0
-- Returns   a time in ms, not before now; false: never, as far as is known
-- Effects   none

if has_work() then return { 'ok', ops, write(now) } end
local first = false
for _, times in ipairs({ alarms, lapses, due, standing_off }) do
  local at = times_first(times)
  if at and (not first or at < first) then first = at end
end
return { 'ok', ops, write(first) }
