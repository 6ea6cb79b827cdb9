-- Proposing: the lowest class whose demands fit gives its first job. One step looks at one thing, and the number of
-- steps of a call is bounded.

local SPARE_STEPS = 64
local STEPS_PER_PROPOSAL = 4
local PROPOSAL_LAPSES = 30000

-- The first class in order, of those parked under the budget, that fits it now.
local function first_fitting(key)
  local found = budget(key)
  local function fits(group)
    return decide(group_demands(group, key), nil) ~= nil
  end
  if found.kept and found.kept[3] > now then
    local holder = class(found.kept[1])
    if holder and holder.stand == PARKED and holder.place[1] == key and fits(holder.place[2]) then return holder end
    return nil
  end
  local first_rank, first_class
  for group, members in pairs(found.groups or NONE) do
    if not members[2] and fits(group) then
      local rank, id = lot_front(key, group)
      if not first_rank or is_earlier(rank, first_rank) then first_rank, first_class = rank, id end
    end
  end
  return first_class and class(first_class)
end

-- The first job of the class is proposed: {job, token, class}
local function pop(found, takes)
  local rank = found.first
  local id, band = sub(rank, 17), byte(rank)
  if found.held then found.held = nil end
  roll_remove(found, rank)
  settle_head(found)
  charge(takes)
  flow_pass(band, struct.unpack('>I7', rank, 2))
  totals.token = totals.token + 1
  set_open(id, { token = totals.token, since = now, takes = takes, again = false })
  times_add(lapses, now + PROPOSAL_LAPSES, id)
  return { id, totals.token, found.id }
end

-- Tests the demands of a ready class: its first job is proposed, or the class parks.
local function test(found)
  local reserves = found.reserves
  local takes, key, is_full = decide_class(found)
  if takes then
    local proposal = pop(found, takes)
    if reserves then end_reservation(reserves) end
    return proposal
  end
  if reserves and reserves ~= key then end_reservation(reserves) end
  park(found, key, is_full)
  return nil
end

-- Takes up the first thing whose time has come; false if there is none.
local function take_up()
  local key = has_passed(alarms)
  if key then
    times_remove(alarms, key)
    local found = budget(key)
    found.alarm = false
    change(found)
    ring(key)
    return true
  end
  local lapsed = has_passed(lapses)
  if lapsed then
    discharge(lapsed, open_of(lapsed))
    enter_class(job(lapsed))
    return true
  end
  local come = has_passed(due)
  if come then
    times_remove(due, come)
    enter_class(job(come))
    return true
  end
  local off = has_passed(standing_off)
  if off then make_ready(class(off)) end
  return off
end

-- Tests a class only when nobody is left to be woken, so that the lowest rank of all that fit goes first.
local function step()
  if may_have_come then
    if take_up() then return nil end
    may_have_come = false
  end
  local marked = order_first(dirty)
  if marked then
    order_remove(dirty, marked)
    local found = first_fitting(marked)
    if found then wake(found) else arm(marked) end
    return nil
  end
  local next_one = order_first(ready)
  if next_one then return test(class(sub(next_one, 33))) end
  return nil
end

-- Reads at once what the next classes ask for.
local function look_ahead(max)
  -- The page that is read first holds one more than may be proposed.
  ready.pace = (max + 1) / 2
  if not order_first(ready) then return end
  local ids = {}
  for at = 1, math.min(max, #ready.page) do ids[at] = sub(ready.page[at], 33) end
  load_classes(ids)
  local list = {}
  for at, id in ipairs(ids) do list[at] = class(id) end
  load_demanded(list)
end
