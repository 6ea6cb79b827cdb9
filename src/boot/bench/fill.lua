-- Puts jobs in line for dequeue.lua.
-- KEYS  1 ready classes by turn (sorted set)
-- ARGV  1 number of the first job  2 how many  3 among how many classes
-- Returns how many. Class lists and jobs are keys made in here: for one server only, not for a cluster.
local first, count, classes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local payload = string.rep('.', 200)
for number = first, first + count - 1 do
  local class = number % classes
  redis.call('HSET', 'job:' .. number, 'state', 'queued', 'payload', payload)
  local length = redis.call('RPUSH', 'class:' .. class, number)
  if length == 1 then
    redis.call('ZADD', KEYS[1], number, class)
  end
end
return count
