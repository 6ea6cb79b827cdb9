-- Ends the caller's rebuild.
--
-- KEYS[1]  hash: what is known of the gate as a whole
-- ARGV[1]  the epoch that the caller has built
-- ARGV[2]  who calls
-- Returns  1; 0 if another process has the right, or the epoch is another one
-- Effects  the gate is open; wakes a worker

local epoch, state, builder = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'state', 'builder'))
if epoch ~= ARGV[1] or builder ~= ARGV[2] then return 0 end
if state == 'building' then redis.call('HSET', KEYS[1], 'state', 'open') end
local wake = string.sub(KEYS[1], 1, -5) .. 'wake'
if redis.call('LLEN', wake) == 0 then redis.call('RPUSH', wake, '1') end
return 1
