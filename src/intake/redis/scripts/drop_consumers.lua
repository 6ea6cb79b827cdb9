-- Forgets consumers that have nothing pending: the one that leaves, and those of workers that are long gone.
-- KEYS[1]  the stream of requests
-- ARGV[1]  the consumer group
-- ARGV[2]  the consumer that leaves; empty: none does
-- ARGV[3]  others are forgotten after so many milliseconds without a sign of life
-- Returns  how many were forgotten
-- Effects  removes consumers; one with something pending stays, so that its requests can be taken over
local dropped = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local seen = {}
  for at = 1, #consumer, 2 do
    seen[consumer[at]] = consumer[at + 1]
  end
  if seen.pending == 0 and (seen.name == ARGV[2] or seen.idle >= tonumber(ARGV[3])) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], seen.name)
    dropped = dropped + 1
  end
end
return dropped
