-- Gives a lock back.
-- KEYS[1]  the lock
-- ARGV[1]  who holds it
-- Returns  1 if it was held by this one, else 0
-- Effects  removes the lock if it is held by this one
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
