-- What every script that works on the line begins with: whose turn of the gate it is, and the tools for bytes.
--
-- KEYS[1]  hash: what is known of the gate as a whole; every other key is this one without `meta`, with the epoch and
--          a name appended, so all of them are in one hash slot
-- ARGV[1]  the epoch that the caller believes in
-- ARGV[2]  the highest number of changes that the caller has seen in this epoch
-- ARGV[3]  now, in milliseconds since 1970
-- ARGV[4]  what is asked, as MessagePack
-- Returns  {word} if the gate cannot be used: missing, epoch, back, broken, building; else {"ok", changes, answer}
--
-- Strings are compared by these functions only: `<` follows the locale of the server.

local call = redis.call
local meta = KEYS[1]
local root = string.sub(meta, 1, -5)
local known = call('HMGET', meta, 'epoch', 'state', 'ops', 'base', 'token', 'jobs', 'lined', 'flows', 'closed')
if not known[1] then return {'missing'} end
if known[1] ~= ARGV[1] then return {'epoch'} end
if known[2] == 'broken' then return {'broken'} end
if tonumber(known[3]) < tonumber(ARGV[2]) then return {'back'} end

local base = root .. known[1] .. ':'
local is_open = known[2] == 'open'
local ops = tonumber(known[3])
local now = tonumber(ARGV[3])
local asked = cmsgpack.unpack(ARGV[4])
local MAX = 9007199254740991

-- Counters of the whole gate, written back once.
local totals = {
  token = tonumber(known[5]),
  jobs = tonumber(known[6]),
  lined = tonumber(known[7]),
  flows = tonumber(known[8]),
  -- Budgets that the ledger told with a closure.
  closed = tonumber(known[9] or 0),
}
local token_base = tonumber(known[4])

-- Something may have come that can be proposed: another worker is to be woken.
local is_worth_waking = false

local byte, sub = string.byte, string.sub
local read, write = cmsgpack.unpack, cmsgpack.pack
local unpack_bytes, pack_bytes = struct.unpack, struct.pack
-- Never written to.
local NONE = {}

-- Whether bytes `a` go before bytes `b`.
local function is_below(a, b)
  if a == b then return false end
  local at = 1
  while true do
    local x, y = byte(a, at), byte(b, at)
    if x ~= y then
      if not x then return true end
      return y ~= nil and x < y
    end
    at = at + 1
  end
end

-- The same for ranks, whose first eight bytes mostly differ.
local function is_earlier(a, b)
  local a1, a2 = struct.unpack('>I4I4', a)
  local b1, b2 = struct.unpack('>I4I4', b)
  if a1 ~= b1 then return a1 < b1 end
  if a2 ~= b2 then return a2 < b2 end
  return is_below(a, b)
end

-- Calls a command with any number of arguments: Lua unpacks only so many at once, pairs stay together.
local function call_many(command, key, list)
  for from = 1, #list, 4000 do
    call(command, key, unpack(list, from, math.min(from + 3999, #list)))
  end
end

-- The first write of every script that changes something. It needs memory, so a server without memory refuses it
-- before anything has changed.
local function begin_change()
  ops = call('HINCRBY', meta, 'ops', 1)
end
