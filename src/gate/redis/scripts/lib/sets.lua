-- Ordered sets with what this call has changed in them, written back at its end.

local PAGE = 128

-- By bytes, all with the score 0.
local function new_order(name, before)
  return {
    key = base .. name, before = before, adds = NONE, has = NONE, gone = NONE, page = nil, at = 1, pace = 4, is_full = false,
  }
end

local function order_sync(set)
  if set.gone ~= NONE then
    local gone = {}
    for member in pairs(set.gone) do gone[#gone + 1] = member end
    if #gone > 0 then call_many('ZREM', set.key, gone) end
  end
  if #set.adds > 0 then
    local adds = {}
    for _, member in ipairs(set.adds) do
      adds[#adds + 1] = '0'
      adds[#adds + 1] = member
    end
    call_many('ZADD', set.key, adds)
  end
  set.adds, set.has, set.gone = NONE, NONE, NONE
end

-- Where in the sorted list a member stands or would stand.
local function find(set, member)
  local low, high = 1, #set.adds + 1
  -- Mostly they come in order.
  if high > 1 and set.before(set.adds[high - 1], member) then return high end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if set.before(set.adds[middle], member) then low = middle + 1 else high = middle end
  end
  return low
end

local function order_first(set)
  while true do
    if not set.page then
      -- Mostly few are looked at in a call; if it is more, ever more are read at once.
      set.pace = math.min(set.pace * 2, PAGE)
      set.page = call('ZRANGE', set.key, 0, set.pace - 1)
      set.at, set.is_full = 1, #set.page == set.pace
    end
    local member = set.page[set.at]
    while member and set.gone[member] do
      set.at = set.at + 1
      member = set.page[set.at]
    end
    if member or not set.is_full then
      local added = set.adds[1]
      if added and (not member or set.before(added, member)) then return added end
      return member
    end
    order_sync(set)
    set.page = nil
  end
end

local function order_add(set, member)
  if set.gone[member] then set.gone[member] = nil end
  if set.has[member] then return end
  if set.adds == NONE then set.adds, set.has = {}, {} end
  set.has[member] = true
  table.insert(set.adds, find(set, member), member)
  is_worth_waking = true
end

local function order_remove(set, member)
  if set.gone == NONE then set.gone = {} end
  set.gone[member] = true
  if set.has[member] then
    set.has[member] = nil
    table.remove(set.adds, find(set, member))
  end
end

-- By time, then by bytes.
local function new_times(name)
  return { key = base .. name, adds = NONE, gone = NONE, is_known = false, at = nil, member = nil }
end

local function times_sync(times)
  if #times.gone > 0 then call_many('ZREM', times.key, times.gone) end
  if #times.adds > 0 then call_many('ZADD', times.key, times.adds) end
  times.adds, times.gone = NONE, NONE
end

local function times_first(times)
  if not times.is_known then
    times_sync(times)
    local first = call('ZRANGE', times.key, 0, 0, 'WITHSCORES')
    times.member, times.at = first[1], first[2] and tonumber(first[2])
    times.is_known = true
  end
  return times.at, times.member
end

-- Whether a time may have come: while no earlier one is noted, one look a call is enough.
local may_have_come = true

-- A number costs as much to write out as a command to call, and mostly the next one is the same.
local written, written_as

local function times_add(times, at, member)
  if at <= now then may_have_come = true end
  if at ~= written then written, written_as = at, string.format('%.0f', at) end
  if #times.gone > 0 then times_sync(times) end
  if times.adds == NONE then times.adds = {} end
  times.adds[#times.adds + 1] = written_as
  times.adds[#times.adds + 1] = member
  if times.is_known then
    -- Who it is matters only when the time has come.
    local is_first = not times.at or at < times.at
      or (at == times.at and at <= now and is_below(member, times.member))
    if is_first then times.at, times.member = at, member end
  end
end

local function times_remove(times, member)
  if #times.adds > 0 then times_sync(times) end
  if times.gone == NONE then times.gone = {} end
  times.gone[#times.gone + 1] = member
  if times.is_known and times.member == member then times.is_known = false end
end

local ready = new_order('ready', is_earlier)
local dirty = new_order('dirty', is_below)
local alarms = new_times('alarms')
local due = new_times('due')
local standing_off = new_times('off')
local lapses = new_times('lapses')

-- The first whose time has come.
local function has_passed(times)
  local at, member = times_first(times)
  return at and at <= now and member
end

local function has_come()
  may_have_come = may_have_come
    and (has_passed(alarms) or has_passed(lapses) or has_passed(due) or has_passed(standing_off)) and true
  return may_have_come
end

-- Whether `propose` has something to look at.
local function has_work()
  return order_first(ready) or order_first(dirty) or has_come() or false
end
