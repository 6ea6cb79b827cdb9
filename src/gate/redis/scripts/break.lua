-- A script failed half-way: what is in the epoch can no longer be trusted by anybody.
--
-- KEYS[1]  hash: what is known of the gate as a whole
-- ARGV[1]  the epoch
-- ARGV[2]  what happened, in words
-- Returns  1; 0 if the epoch is another one
-- Effects  the gate is lost until it is rebuilt

if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'broken', 'why', ARGV[2])
return 1
