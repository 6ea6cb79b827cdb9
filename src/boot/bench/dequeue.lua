-- The floor that the gate is measured against: the ten calls to Redis without which a job cannot be taken under four limits.
-- KEYS  1 ready classes by turn (sorted set)  2 counters (hash)  3 leases by their ends (sorted set)
-- ARGV  1 how many at most  2 now, in ms  3 end of the leases, in ms  4 limit of every counter
-- Returns how many were taken. Class lists and jobs are keys made in here: for one server only, not for a cluster.
local wanted, limit = tonumber(ARGV[1]), tonumber(ARGV[4])
local taken = 0
while taken < wanted do
  local turn = redis.call('ZPOPMIN', KEYS[1])
  local class = turn[1]
  if not class then
    return taken
  end
  local list = 'class:' .. class
  local job = redis.call('LPOP', list)
  local fits = redis.call('HINCRBY', KEYS[2], 'all', 1) <= limit
  fits = redis.call('HINCRBY', KEYS[2], 'team:' .. class % 50, 1) <= limit and fits
  fits = redis.call('HINCRBY', KEYS[2], 'template:' .. class % 20, 1) <= limit and fits
  fits = redis.call('HINCRBY', KEYS[2], 'class:' .. class, 1) <= limit and fits
  if not (job and fits) then
    return redis.error_reply('the benchmark has set its limits too low')
  end
  redis.call('HSET', 'job:' .. job, 'state', 'running', 'since', ARGV[2])
  redis.call('ZADD', KEYS[3], ARGV[3], job)
  if redis.call('EXISTS', list) == 1 then
    redis.call('ZADD', KEYS[1], turn[2] + 1, class)
  end
  taken = taken + 1
end
return taken
