-- The jobs in line. Their records lie in so many hashes that each stays small, which is far less memory than one large
-- hash. A job that is proposed has a second record, and one of the two lists of times says when it is looked at again.

local BUCKETS = 16381
-- Class, turn, number of the flow, offered at, due at or -1, whether it has had a reservation.
local JOB = '>c8c16I5i6i6B'

local jobs, changed_jobs = {}, {}
local opens, changed_opens = {}, {}

local function bucket(id)
  local high, low = struct.unpack('>I4I4', id, 9)
  return base .. 'jobs:' .. (high * 40503 + low) % BUCKETS
end

-- Nil for one that is not in line.
local function job(id)
  local found = jobs[id]
  if found == nil then
    local place = bucket(id)
    local raw = call('HGET', place, id)
    found = false
    if raw then
      local class, turn, flow, offered, at, reserved = unpack_bytes(JOB, raw)
      found = {
        id = id, bucket = place, class = class, turn = turn, flow = flow, offered = offered,
        -- False for one whose time has come.
        due = at ~= -1 and at, is_reserved = reserved == 1,
      }
    end
    jobs[id] = found
  end
  return found or nil
end

local function job_record(found)
  local at, reserved = found.due or -1, found.is_reserved and 1 or 0
  return pack_bytes(JOB, found.class, found.turn, found.flow, found.offered, at, reserved)
end

-- Its place among all: band, tag and order of acceptance, then the id.
local function rank_of(found)
  return found.turn .. found.id
end

local function mark_reserved(id)
  local found = job(id)
  if found then
    found.is_reserved = true
    changed_jobs[id] = found
  end
end

-- Reads at once which of the jobs are proposed.
local function load_opens(ids)
  local missing = {}
  for _, id in ipairs(ids) do
    if opens[id] == nil then
      opens[id] = false
      missing[#missing + 1] = id
    end
  end
  for from = 1, #missing, 4000 do
    local to = math.min(from + 3999, #missing)
    local raws = call('HMGET', base .. 'open', unpack(missing, from, to))
    for at = from, to do
      local raw = raws[at - from + 1]
      if raw then
        local token, since, takes, again = read(raw)
        opens[missing[at]] = { token = token, since = since, takes = takes, again = again }
      end
    end
  end
end

-- Nil for one that is not proposed.
local function open_of(id)
  if opens[id] == nil then load_opens({ id }) end
  return opens[id] or nil
end

local function set_open(id, open)
  opens[id] = open or false
  changed_opens[id] = true
end

local function write_jobs()
  for id, found in pairs(changed_jobs) do
    if jobs[id] then call('HSET', found.bucket, id, job_record(found)) end
  end
  local kept, gone = {}, {}
  for id in pairs(changed_opens) do
    local open = opens[id]
    if open then
      kept[#kept + 1] = id
      kept[#kept + 1] = write(open.token, open.since, open.takes, open.again)
    else
      gone[#gone + 1] = id
    end
  end
  if #kept > 0 then call_many('HSET', base .. 'open', kept) end
  if #gone > 0 then call_many('HDEL', base .. 'open', gone) end
end
