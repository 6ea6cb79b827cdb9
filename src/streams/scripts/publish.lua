-- Adds to a stream what the history says between two positions, if the stream is complete up to the first. A stream's last id
-- is the position up to which it is complete, also when nothing was added: so the mark cannot be lost without the stream.
-- KEYS[1]  the stream
-- ARGV[1]  the position that it is expected at; -1: not there; empty: only tell the position
-- ARGV[2]  the position that it is at afterwards
-- ARGV[3]  entries kept, about; 0: all
-- ARGV[4]  how many ids follow that are removed, then these ids
-- then     for each entry its id, the number of its words, and its words
-- Returns  {1, position} if it was done, {0, position} if the stream was elsewhere (-1: not there) and nothing was done
-- Effects  adds, removes and trims entries, and sets the stream's last id
local key = KEYS[1]

local function position()
  if redis.call('EXISTS', key) == 0 then
    return -1
  end
  local about = redis.call('XINFO', 'STREAM', key)
  for at = 1, #about, 2 do
    if about[at] == 'last-generated-id' then
      return tonumber(string.match(about[at + 1], '^%d+'))
    end
  end
end

local here = position()
if ARGV[1] == '' or here ~= tonumber(ARGV[1]) then
  return { 0, here }
end
local target = tonumber(ARGV[2])
local removed = tonumber(ARGV[4])
local at = 5 + removed
while at <= #ARGV do
  local words = tonumber(ARGV[at + 1])
  redis.call('XADD', key, ARGV[at], unpack(ARGV, at + 2, at + 1 + words))
  at = at + 2 + words
end
for number = 5, 4 + removed do
  redis.call('XDEL', key, ARGV[number])
end
local reached = position()
if reached == -1 then
  redis.call('XADD', key, '0-1', 'x', 'x')
  redis.call('XDEL', key, '0-1')
  reached = 0
end
if reached < target then
  redis.call('XSETID', key, ARGV[2] .. '-0')
end
if ARGV[3] ~= '0' then
  redis.call('XTRIM', key, 'MAXLEN', '~', ARGV[3])
end
return { 1, target }
