-- Where each class stands: ready to be tested, parked under the budget that refused it, or standing off for a moment;
-- and the batons, each of which is a promise to pass a wake-up on.

local STAND_OFF = 1000
-- Set below.
local end_reservation

-- When a reservation of the budget ends, or may start.
local next_reservation

-- Sets when time alone makes it worth to look at the budget again.
local function arm(key)
  local found = budget(key)
  if not has_waiters(found) then return end
  local at = next_change(key)
  local reservation = next_reservation(found)
  if reservation and (not at or reservation < at) then at = reservation end
  set_alarm(found, at)
end

-- A budget, and the pool if it is a member's, may have room.
local function mark(key)
  if has_waiters(budget(key)) then
    lot_mark(key)
    arm(key)
  end
  local pool = pool_of_member(key)
  if pool then
    lot_mark(pool)
    arm(pool)
  end
end

-- Takes a class from where it stands.
local function lift(found)
  local stand, place = found.stand, found.place
  found.stand = READY
  if place then found.place = nil end
  if found.head then
    if stand == READY then
      order_remove(ready, found.head .. found.id)
    elseif stand == PARKED then
      lot_unpark(place, found.head, found.id)
    elseif stand == OFF then
      times_remove(standing_off, found.id)
    end
    found.head = false
  end
  touch(found)
  return stand, place
end

-- Puts a lifted class somewhere. One without jobs in its roll stands nowhere.
local function put(found, stand, place)
  if not found.first then
    local reserves = found.reserves
    clear_class(found)
    totals.lined = totals.lined - 1
    if reserves then end_reservation(reserves) end
    return
  end
  found.head, found.stand = found.first, stand
  if place then found.place = place end
  if stand == READY then
    order_add(ready, found.head .. found.id)
  elseif stand == PARKED then
    lot_park(place, found.head, found.id)
    if place[4] and not job(sub(found.head, 17)).is_reserved then note_heavy(place, found.id) end
  else
    times_add(standing_off, place[3], found.id)
    is_worth_waking = true
  end
  touch(found)
end

-- Hands back the batons that are not to be kept. Of a kept one the budget is looked at again for other groups.
local function hand_back(found, keeps)
  if not found.batons then return end
  local kept = {}
  for _, baton in ipairs(found.batons) do
    lot_mark(baton[1])
    if keeps and keeps ~= baton[1] then
      kept[#kept + 1] = baton
    else
      set_represented(baton[1], baton[2], false)
    end
  end
  found.batons = #kept > 0 and kept or nil
  touch(found)
end

-- After a change of the roll. If that changed the first job, the class moves to the new rank; a parked one is tested
-- anew, since it may now go before the one that carries the baton of its group.
local function settle_head(found)
  if found.head and found.head == found.first then return end
  hand_back(found, false)
  local stand, place = lift(found)
  if stand == OFF then put(found, OFF, place) else put(found, READY) end
end

-- Parks a class under the budget that refused it.
local function park(found, key, is_full)
  local since = now
  if found.held and found.held[1] == key then since = found.held[2] end
  found.held = { key, since }
  local group, need = group_of(found, key)
  local heavy = is_full and is_heavy(need, key)
  local is_shared = false
  for _, demand in ipairs(demands_of(found)) do
    if demand[1] == key then is_shared = demand[5] end
  end
  lift(found)
  put(found, PARKED, { key, group, since, heavy })
  hand_back(found, is_shared and key)
  arm(key)
end

local function stand_off(found, refusal)
  lift(found)
  put(found, OFF, { refusal, now, now + STAND_OFF })
  hand_back(found, false)
end

-- A class that stood off is to be tested.
local function make_ready(found)
  lift(found)
  put(found, READY)
end

-- A class parked under the budget is to be tested, with the baton of its group.
local function wake(found)
  local stand, place = lift(found)
  if stand == PARKED then
    set_represented(place[1], place[2], true)
    if not found.batons then found.batons = {} end
    found.batons[#found.batons + 1] = { place[1], place[2] }
  end
  put(found, READY)
end
