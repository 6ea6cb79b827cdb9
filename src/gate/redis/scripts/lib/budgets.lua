-- The budgets that this call has looked at: the ledger's figure, the charges of open proposals, and who is parked. Most need
-- no table: what is told of them, and what is given back, is changed in the bytes of the record.

-- Records by key, false for none; those changed as bytes; tables; those changed.
local raws, changed_raws, budgets, changed_budgets = {}, {}, {}, {}

-- A record: bits (1: the ledger has spoken, 2: there is a limit, 4: more follows), the version, used, the limit (assumed until the ledger has spoken), pending and
-- the token; mostly nothing more. What is seldom there follows as MessagePack: closure, groups, alarm, room kept, number
-- of heavy ones.
local FIGURES = '>Bi7i7i7i7i7'
-- Of a record without more: where the version and the pending begin, and what ends before the pending.
local VERSION_AT, PENDING_AT, TOLD_ENDS = 2, 23, 22

-- Always there: `told`, the version of the ledger's figure, false until it has spoken; `used`; `pending`; `token`, the last
-- one given before the figure was heard. `limit` once it has spoken; until then `assumed`, nil: not known here, false: none.
-- Seldom there: `closed`, {reason, actor, since, opening time or false}; `groups` of parked classes, {number, whether one
-- of them carries the baton}; `alarm`; `kept` room, {class, since, until}; `heavy`, how many.
-- A table of more than eight fields costs twice as much to make.
local function budget_of(key)
  local raw, found = raws[key], nil
  if raw == nil then raw = call('HGET', base .. 'budgets', key) end
  if raw then
    local bits, version, used, limit, pending, token, more = unpack_bytes(FIGURES, raw)
    if bits % 4 < 2 then limit = false end
    if bits % 2 == 1 then
      found = { key = key, told = version, used = used, limit = limit, pending = pending, token = token, is_stored = true }
    else
      found = { key = key, told = false, used = used, assumed = limit, pending = pending, token = token, is_stored = true }
    end
    if bits >= 4 then
      found.closed, found.groups, found.alarm, found.kept, found.heavy = read(sub(raw, more))
    end
    if changed_raws[key] then changed_budgets[key] = found end
  else
    found = { key = key, told = false, used = 0, pending = 0, token = 0 }
  end
  budgets[key] = found
  return found
end

local function budget(key, assumed)
  local found = budgets[key] or budget_of(key)
  if assumed ~= nil and found.assumed == nil then found.assumed = assumed end
  return found
end

-- Reads at once what will be looked at.
local function load_budgets(keys)
  local missing, count = {}, 0
  for _, key in ipairs(keys) do
    if raws[key] == nil then
      raws[key] = false
      count = count + 1
      missing[count] = key
    end
  end
  for from = 1, count, 4000 do
    local to = math.min(from + 3999, count)
    local found = call('HMGET', base .. 'budgets', unpack(missing, from, to))
    for at = from, to do raws[missing[at]] = found[at - from + 1] end
  end
end

local function has_waiters(found)
  return found.groups ~= nil and next(found.groups) ~= nil
end

local function change(found)
  changed_budgets[found.key] = found
end

local function budget_record(found)
  local bits, version, limit, more = 1, found.told, found.limit, ''
  if not version then bits, version, limit = 0, 0, found.assumed end
  if limit then bits = bits + 2 else limit = 0 end
  if found.closed or found.alarm or found.kept or (found.heavy or 0) > 0 or has_waiters(found) then
    bits = bits + 4
    more = write(
      found.closed or false, found.groups or NONE, found.alarm or false, found.kept or false, found.heavy or 0
    )
  end
  return pack_bytes(FIGURES, bits, version, found.used, limit, found.pending, found.token) .. more
end

local function write_budgets()
  local kept, gone = {}, {}
  for key in pairs(changed_raws) do
    if not budgets[key] then
      kept[#kept + 1] = key
      kept[#kept + 1] = raws[key]
    end
  end
  for key, found in pairs(changed_budgets) do
    if found.told or found.pending > 0 or found.kept or has_waiters(found) then
      kept[#kept + 1] = key
      kept[#kept + 1] = budget_record(found)
    elseif found.is_stored then
      gone[#gone + 1] = key
    end
  end
  if #kept > 0 then call_many('HSET', base .. 'budgets', kept) end
  if #gone > 0 then call_many('HDEL', base .. 'budgets', gone) end
end

local pools = {}

local function is_pool_key(key)
  return byte(key) == 112 and (key == 'pool' or sub(key, 1, 5) == 'pool/')
end

-- The members: {login, key, limit, {from, to, from, to, ...}}; none for a key that is no pool.
local function pool_members(key)
  if not is_pool_key(key) then return {} end
  local members = pools[key]
  if not members then
    local raw = call('HGET', base .. 'pools', key)
    members = raw and read(raw) or {}
    pools[key] = members
    local keys = {}
    for at, member in ipairs(members) do keys[at] = member[2] end
    load_budgets(keys)
    for _, member in ipairs(members) do budget(member[2], member[3]) end
  end
  return members
end

local function pool_of_member(key)
  if byte(key) ~= 112 then return nil end
  local pool = string.match(key, '^pool/([^/]*)/')
  return pool and 'pool/' .. pool
end

local function limit_of(found)
  if found.told then return found.limit end
  return found.assumed or false
end

local function used_of(found)
  return math.min(found.used + found.pending, MAX)
end

-- Takes over a figure of the ledger if it is newer; true if it was. `limit` and `closed` may be false.
local function hear(key, used, limit, closed, version)
  local found = budget(key)
  if found.told and found.told >= version then return false end
  if found.closed then totals.closed = totals.closed - 1 end
  if closed then totals.closed = totals.closed + 1 end
  found.used, found.limit, found.told = used, limit, version
  if found.closed or closed then found.closed = closed end
  found.token = totals.token
  change(found)
  return true
end

-- Whether the ledger has spoken of the budget, or of a member of the pool, since the token was given.
local function was_heard_since(key, token)
  local function heard(one)
    local found = budget(one)
    return found.told and found.token >= token
  end
  if heard(key) then return true end
  for _, member in ipairs(pool_members(key)) do
    if heard(member[2]) then return true end
  end
  return false
end

-- A record that can be changed as bytes: nobody waits there, nothing is closed or kept, and it is no pool's member.
-- False if there is none yet; nil if it takes a table.
local function plain_record(key)
  local raw = raws[key]
  if budgets[key] or byte(key) == 112 or (raw and byte(raw) >= 4) then return nil end
  return raw
end

-- The same as `hear` of a figure without a closure, and `uncharge` by what is given back. `told`: the record up to the
-- limit. False: there is more to do.
local function hear_plain(key, told, given)
  local raw, pending = plain_record(key), 0
  if raw == nil then return false end
  local token = totals.token
  if raw then
    pending = math.max(unpack_bytes('>i7', raw, PENDING_AT) - given, 0)
    local version = unpack_bytes('>i7', raw, VERSION_AT)
    if byte(raw) % 2 == 1 and version >= unpack_bytes('>i7', told, VERSION_AT) then
      if given == 0 then return true end
      told, token = sub(raw, 1, TOLD_ENDS), unpack_bytes('>i7', raw, PENDING_AT + 7)
    end
  end
  raws[key], changed_raws[key] = told .. pack_bytes('>i7i7', pending, token), true
  return true
end

-- The same as `uncharge` of what the ledger has spoken of. False: there is more to do.
local function uncharge_plain(key, amount)
  local raw = plain_record(key)
  if not raw or byte(raw) % 2 == 0 then return false end
  local pending = math.max(unpack_bytes('>i7', raw, PENDING_AT) - amount, 0)
  raws[key] = sub(raw, 1, TOLD_ENDS) .. pack_bytes('>i7', pending) .. sub(raw, PENDING_AT + 7)
  changed_raws[key] = true
  return true
end

-- Takes, of budgets just decided about: {key, amount, key, amount, ...}
local function charge(takes)
  for at = 1, #takes, 2 do
    local found = budgets[takes[at]]
    local pending = found.pending + takes[at + 1]
    found.pending = pending < MAX and pending or MAX
    change(found)
  end
end

local function uncharge(key, amount)
  local found = budget(key)
  found.pending = math.max(found.pending - amount, 0)
  change(found)
end

-- The next time at which an opening gate or a returning member may change what fits.
local function next_change(key)
  local first = false
  local function note(at)
    if at and at > now and (not first or at < first) then first = at end
  end
  local function note_opening(one)
    local closed = budget(one).closed
    if closed then note(closed[4]) end
  end
  note_opening(key)
  for _, member in ipairs(pool_members(key)) do
    for at = 2, #member[4], 2 do note(member[4][at]) end
    note_opening(member[2])
  end
  return first
end
