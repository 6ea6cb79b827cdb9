-- Begins a rebuild with a new, empty epoch, or renews the right to the one that is running.
--
-- KEYS[1]  hash: what is known of the gate as a whole
-- ARGV[1]  the epoch that the caller knows, or ""
-- ARGV[2]  who calls
-- ARGV[3]  now, in milliseconds since 1970
-- ARGV[4]  how long the right lasts, in milliseconds
-- ARGV[5]  the name of the new epoch
-- ARGV[6]  digest of the rules
-- ARGV[7]  the latest beginning of an epoch that the caller has seen, in ms, or 0
-- ARGV[8]  pools, as MessagePack: {{key, members}, ...}
-- Returns  {0}: another process rebuilds, or has done so; {1, epoch, beginning, epoch before or ""}
-- Effects  replaces the hash, writes the pools; keys of the epoch before are left to the caller

local meta = KEYS[1]
local now, lasts = tonumber(ARGV[3]), tonumber(ARGV[4])
local epoch, state, builder, lapse, began, token, rules =
  unpack(redis.call('HMGET', meta, 'epoch', 'state', 'builder', 'lapse', 'began', 'token', 'rules'))
local function text(number)
  return string.format('%.0f', number)
end
if state == 'building' then
  if builder == ARGV[2] and epoch == ARGV[1] then
    redis.call('HSET', meta, 'lapse', text(now + lasts))
    return { 1, epoch, began, '' }
  end
  if builder ~= ARGV[2] and tonumber(lapse) > now then return { 0 } end
elseif state == 'open' and epoch ~= ARGV[1] and rules == ARGV[6] and tonumber(began) >= tonumber(ARGV[7]) then
  return { 0 }
end

local begins = math.max(now, tonumber(began or '0') + 1, tonumber(ARGV[7]) + 1)
-- No token of one epoch is one of another: they begin by the time, far enough apart.
local first_token = text(math.max(begins * 1024, tonumber(token or '0')))
redis.call('DEL', meta)
redis.call('HSET', meta, 'epoch', ARGV[5], 'state', 'building', 'builder', ARGV[2], 'lapse', text(now + lasts),
  'began', text(begins), 'rules', ARGV[6], 'ops', '0', 'token', first_token, 'base', first_token, 'jobs', '0',
  'lined', '0', 'flows', '0')
for _, pool in ipairs(cmsgpack.unpack(ARGV[8])) do
  redis.call('HSET', string.sub(meta, 1, -5) .. ARGV[5] .. ':pools', pool[1], cmsgpack.pack(pool[2]))
end
return { 1, ARGV[5], text(begins), epoch or '' }
