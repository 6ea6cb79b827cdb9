-- Who is in line. Jobs come, leave, and return when the ledger did not take them. Nothing here chooses who is next.

-- The job's turn can come.
local function enter_class(found)
  if found.due then
    found.due = false
    changed_jobs[found.id] = found
  end
  local queue = class(found.class)
  if queue.stand == ABSENT then
    queue.stand = READY
    totals.lined = totals.lined + 1
  end
  roll_insert(queue, rank_of(found))
  settle_head(queue)
end

-- Entries, one after another: job, number of its class, band, flow, weight, order as eight bytes, due at or false.
-- True if the job of the entry that begins there was not in line.
local function offer_one(entries, at, definition)
  local id, band, due_at = entries[at], entries[at + 2], entries[at + 6]
  local flow = flow_by_name(band, entries[at + 3])
  local tag = next_tag(flow, band)
  local found = {
    id = id, bucket = bucket(id), class = definition[1], turn = pack_bytes('>BI7', band, tag) .. entries[at + 5],
    flow = flow.number, offered = now, due = due_at and due_at > now and due_at, is_reserved = false,
  }
  if call('HSETNX', found.bucket, id, job_record(found)) == 0 then
    local open = open_of(id)
    if open then
      open.again = { { unpack(entries, at, at + 6) }, definition }
      set_open(id, open)
    end
    return false
  end
  flow_enter(flow, band, entries[at + 4], tag)
  jobs[id] = found
  totals.jobs = totals.jobs + 1
  local queue = class(found.class) or new_class(definition)
  queue.jobs = queue.jobs + 1
  touch(queue)
  if found.due then
    times_add(due, found.due, id)
    is_worth_waking = true
  else
    enter_class(found)
  end
  return true
end

-- The job leaves the gate.
local function forget(found)
  call('HDEL', found.bucket, found.id)
  jobs[found.id] = false
  totals.jobs = totals.jobs - 1
  local queue = class(found.class)
  queue.jobs = queue.jobs - 1
  touch(queue)
  flow_leave(byte(found.turn), found.flow)
end

-- A proposal is closed; what it charged is added to what is to be given back, by key.
local function close(id, open, given)
  set_open(id, nil)
  times_remove(lapses, id)
  local takes = open.takes
  for at = 1, #takes, 2 do
    local key = takes[at]
    given[key] = (given[key] or 0) + takes[at + 1]
  end
end

-- What closed proposals had charged is free again.
local function give_back(given)
  local keys = {}
  for key in pairs(given) do keys[#keys + 1] = key end
  load_budgets(keys)
  for _, key in ipairs(keys) do
    if not uncharge_plain(key, given[key]) then
      uncharge(key, given[key])
      lot_mark(key)
      local pool = pool_of_member(key)
      if pool then lot_mark(pool) end
    end
  end
end

local function discharge(id, open)
  local given = {}
  close(id, open, given)
  give_back(given)
end

local function withdraw(ids)
  load_opens(ids)
  for _, id in ipairs(ids) do
    local found = job(id)
    if found then
      local open = open_of(id)
      if open then
        discharge(id, open)
      elseif found.due then
        times_remove(due, id)
      else
        local queue = class(found.class)
        roll_remove(queue, rank_of(found))
        settle_head(queue)
      end
      forget(found)
    end
  end
end

-- Told: {{key, the record up to the limit, and so on}, {key, used, limit or false, closure, version, and so on}}, the first
-- for figures without a closure. What is given back of those budgets is taken out of `given` if it is done here.
local function observe(told, given)
  local figures, closures, keys = told[1], told[2], {}
  for at = 1, #figures, 2 do keys[#keys + 1] = figures[at] end
  for at = 1, #closures, 5 do keys[#keys + 1] = closures[at] end
  load_budgets(keys)
  for at = 1, #figures, 2 do
    local key, figure = figures[at], figures[at + 1]
    if hear_plain(key, figure, given[key] or 0) then
      given[key] = nil
    else
      local bits, version, used, limit = unpack_bytes('>Bi7i7i7', figure)
      if hear(key, used, bits >= 2 and limit, false, version) then mark(key) end
    end
  end
  for at = 1, #closures, 5 do
    local key, used, limit, closed, version = unpack(closures, at, at + 4)
    if hear(key, used, limit, closed, version) then mark(key) end
  end
end

-- The ledger refused the job: it waits on, at the head of its class.
local function take_back(found, token, refused_key, refusal)
  enter_class(found)
  local queue = class(found.class)
  local is_ready = queue.stand == READY
  local takes, key, is_full = decide_class(queue)
  if not takes then
    -- Parked by the gate's own figures, which are as new as the ledger's or newer. A class that is parked already
    -- stays there.
    if is_ready then park(queue, key, is_full) end
  elseif not was_heard_since(refused_key, token) then
    stand_off(queue, refusal)
  end
end

local ADMITTED, REFUSED, GONE, UNANSWERED = 1, 2, 3, 4

-- False for a token that is not the job's: nothing changes.
local function close_proposal(id, token, given)
  local open = open_of(id)
  if not open or open.token ~= token then return false end
  close(id, open, given)
  return true, open.again
end
