-- What it takes to say why a job waits. The words are made outside, by the rules that every decision follows.
--
-- Asked     the job
-- Returns   false if it is not in line; else {stage, since or due, more}
--           1 proposed: since when; 2 timed: due at, offered at
--           3 waiting: offered at, jobs ahead, stand {0}, {1, since} or {2, since, until, refusal},
--             demands {{key, amount, logins not to be chosen}, ...}, figures {{key, used, limit or false, closure or
--             false, {since, until} if room is kept for another}, ...}, pools {{key, {{login, key, away}, ...}}, ...}
-- Effects   none

local found = job(asked)
if not found then return { 'ok', ops, write(false) } end
local open = open_of(asked)
if open then return { 'ok', ops, write({ 1, open.since }) } end
if found.due and found.due > now then return { 'ok', ops, write({ 2, found.due, found.offered }) } end

local queue = class(found.class)
local stand = { READY }
if queue.stand == PARKED then
  stand = { PARKED, queue.place[3] }
elseif queue.stand == OFF then
  stand = { OFF, queue.place[2], queue.place[3], queue.place[1] }
end
load_demanded({ queue })
local demands, figures, told_of, members = {}, {}, {}, {}
local function tell(key, assumed)
  if told_of[key] then return end
  told_of[key] = true
  local one = budget(key, assumed)
  local kept = one.kept and one.kept[1] ~= queue.id and { one.kept[2], one.kept[3] }
  figures[#figures + 1] = { key, used_of(one), limit_of(one), one.closed or false, kept or false }
end
for at, demand in ipairs(demands_of(queue)) do
  local key = demand[1]
  demands[at] = { key, demand[2], demand[6] }
  if is_pool_key(key) then
    local list = {}
    for number, member in ipairs(pool_members(key)) do
      list[number] = { member[1], member[2], member[4] }
      tell(member[2], member[3])
    end
    members[#members + 1] = { key, list }
  else
    tell(key, demand[4])
  end
end
local ahead = roll_ahead_of(queue, rank_of(found))
return { 'ok', ops, write({ 3, found.offered, ahead, stand, demands, figures, members }) }
