-- A page of the jobs in line: first those that are proposed or have a time, then those of some classes at a time. A job
-- that moves meanwhile may be missed or come twice.
--
-- Asked     where to go on: "" to begin, else the last answer
-- Returns   {where to go on, "" at the end, {job, ...}}
-- Effects   none

local list = {}
if asked == '' then
  for _, id in ipairs(call('HKEYS', base .. 'open')) do list[#list + 1] = id end
  for _, id in ipairs(call('ZRANGE', due.key, 0, -1)) do list[#list + 1] = id end
end
local page = call('HSCAN', base .. 'classes', asked == '' and '0' or asked, 'COUNT', 200)
for at = 1, #page[2], 2 do
  local found = class_of(page[2][at], page[2][at + 1])
  if found.size == 1 then
    list[#list + 1] = sub(found.first, 17)
  elseif found.size > 1 then
    for _, rank in ipairs(call('ZRANGE', roll_key(found), 0, -1)) do list[#list + 1] = sub(rank, 17) end
  end
end
return { 'ok', ops, write({ page[1] == '0' and '' or page[1], list }) }
