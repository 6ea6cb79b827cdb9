-- The parking lot: classes that wait under the budget that refused them, which budgets are dirty, and when time alone
-- makes it worth to look at one again.
--
-- A group is what classes of equal need and equal shape are judged by: MessagePack of {{{amount, logins}, ...}, shape}.
-- A place: {key, group, since, whether it may get a reservation}.

local parked = base .. 'parked'
local heavy_ones = base .. 'heavy'

local function group_of(found, key)
  local need = {}
  for _, demand in ipairs(demands_of(found)) do
    if demand[1] == key then need[#need + 1] = { demand[2], demand[6] } end
  end
  return write({ need, found.shape }), need
end

-- As a question to `decide`.
local function group_demands(group, key)
  local demands = {}
  for at, need in ipairs(read(group)[1]) do
    local excluded = {}
    for _, login in ipairs(need[2]) do excluded[login] = true end
    demands[at] = { key, need[1], excluded, nil }
  end
  return demands
end

-- More than one unit, and of a budget that is one figure.
local function is_heavy(need, key)
  local sum = 0
  for _, one in ipairs(need) do sum = sum + one[1] end
  return sum > 1 and #pool_members(key) == 0
end

local function lot_prefix(place)
  return place[1] .. '\0' .. place[2]
end

-- Since when, and the class, in the order of both.
local function heavy_entry(place, id)
  return place[1] .. '\0' .. struct.pack('>I7', place[3] + 35184372088832) .. id
end

local function set_alarm(found, at)
  if (found.alarm or false) == at or not has_waiters(found) then return end
  if found.alarm then times_remove(alarms, found.key) end
  if at then
    times_add(alarms, at, found.key)
    is_worth_waking = true
  end
  found.alarm = at
  change(found)
end

-- Whoever parks has just been tested. That makes the group worth a look when the budget has room again, even if one of
-- them is away: two that were each waiting for the other's return would wait for ever.
local function lot_park(place, rank, id)
  local found = budget(place[1])
  if not has_waiters(found) then found.groups = {} end
  local group = found.groups[place[2]] or { 0, false }
  found.groups[place[2]] = group
  group[1] = group[1] + 1
  group[2] = false
  call('ZADD', parked, '0', lot_prefix(place) .. rank .. id)
  change(found)
end

local function lot_unpark(place, rank, id)
  local found = budget(place[1])
  if (found.heavy or 0) > 0 then
    found.heavy = found.heavy - call('ZREM', heavy_ones, heavy_entry(place, id))
  end
  call('ZREM', parked, lot_prefix(place) .. rank .. id)
  local group = found.groups[place[2]]
  group[1] = group[1] - 1
  change(found)
  if group[1] > 0 then return end
  if next(found.groups) == place[2] and next(found.groups, place[2]) == nil then
    set_alarm(found, false)
    order_remove(dirty, found.key)
  end
  found.groups[place[2]] = nil
end

-- The budget may have more room than before. Without waiters there is nothing to remember.
local function lot_mark(key)
  if has_waiters(budget(key)) then order_add(dirty, key) end
end

-- The first of a group: its rank and class.
local function lot_front(key, group)
  local prefix = key .. '\0' .. group
  local member = call('ZRANGEBYLEX', parked, '[' .. prefix, '+', 'LIMIT', 0, 1)[1]
  return sub(member, #prefix + 1, #prefix + 32), sub(member, #prefix + 33)
end

local function set_represented(key, group, is_out)
  local found = budget(key)
  local members = found.groups and found.groups[group]
  if members and members[2] ~= is_out then
    members[2] = is_out
    change(found)
  end
end

local function note_heavy(place, id)
  local found = budget(place[1])
  found.heavy = (found.heavy or 0) + call('ZADD', heavy_ones, '0', heavy_entry(place, id))
  change(found)
end

-- Since when, and the class that has waited longest of those that may get a reservation.
local function longest_heavy(found)
  if (found.heavy or 0) == 0 then return nil end
  local member = call('ZRANGEBYLEX', heavy_ones, '[' .. found.key .. '\0', '+', 'LIMIT', 0, 1)[1]
  local from = #found.key + 2
  return struct.unpack('>I7', sub(member, from, from + 6)) - 35184372088832, sub(member, from + 7)
end

local function forget_heavy(found, place, id)
  found.heavy = found.heavy - call('ZREM', heavy_ones, heavy_entry(place, id))
  change(found)
end
