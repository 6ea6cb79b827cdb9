-- What holds classes up, some classes at a time. A class that moves meanwhile may be missed or come twice.
--
-- Asked     where to go on: "" to begin, else the last answer
-- Returns   {where to go on, "" at the end, {{name of the budget, jobs}, ...}}
-- Effects   none

local jobs_of, list = {}, {}
local page = call('HSCAN', base .. 'classes', asked == '' and '0' or asked, 'COUNT', 1000)
for at = 1, #page[2], 2 do
  local found = class_of(page[2][at], page[2][at + 1])
  local key
  if found.stand == PARKED then
    key = found.place[1]
  elseif found.stand == OFF then
    key = string.match(found.place[1], '"key":"([^"]*)"')
  end
  local name = key and string.match(key, '^[^/]*')
  if name then jobs_of[name] = (jobs_of[name] or 0) + found.size end
end
for name, jobs in pairs(jobs_of) do list[#list + 1] = { name, jobs } end
return { 'ok', ops, write({ page[1] == '0' and '' or page[1], list }) }
