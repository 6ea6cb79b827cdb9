-- Room kept for a heavy job that has waited too long.

local RESERVATION_AFTER = 600000
local RESERVATION_LASTS = 1800000

function next_reservation(found)
  if found.kept then return found.kept[3] end
  local since = longest_heavy(found)
  return since and since + RESERVATION_AFTER
end

function end_reservation(key)
  local found = budget(key)
  if not found.kept then return end
  local keeper = class(found.kept[1])
  found.kept = false
  change(found)
  if keeper and keeper.stand ~= ABSENT then
    keeper.reserves = false
    touch(keeper)
  end
  lot_mark(key)
end

-- Only the lack of room holds it up here: not a closed gate, nor a limit that it is over anyway.
local function would_help(found, holder)
  if not holder or holder.stand ~= PARKED then return false end
  local takes, _, is_full = decide(group_demands(holder.place[2], found.key), nil)
  return not takes and is_full
end

-- Keeps the budget for the class that has waited longest, if that is long enough.
local function reserve(found)
  while not found.kept do
    local since, id = longest_heavy(found)
    if not since or since + RESERVATION_AFTER > now then return end
    local holder = class(id)
    forget_heavy(found, { found.key, nil, since }, id)
    if would_help(found, holder) then
      holder.reserves = found.key
      touch(holder)
      mark_reserved(sub(holder.head, 17))
      found.kept = { id, now, now + RESERVATION_LASTS }
      change(found)
    end
  end
end

-- The budget's time has come: a gate opened, a member returned, a reservation starts or ends.
local function ring(key)
  local found = budget(key)
  if found.kept and found.kept[3] <= now then end_reservation(key) end
  reserve(found)
  lot_mark(key)
  arm(key)
end
