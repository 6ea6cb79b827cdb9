-- Finds the consumer group of the requests, or makes it from the stream's beginning. Its name ends in an id of its life: the
-- group goes when the stream goes, so entry ids that repeat after a loss belong to a group of another name.
-- KEYS[1]  the stream of requests
-- ARGV[1]  what the group's name begins with
-- ARGV[2]  a new id of a life, used if the group is made
-- Returns  the group's name
-- Effects  makes stream and group when they are missing
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if not groups.err then
  for _, group in ipairs(groups) do
    for at = 1, #group, 2 do
      if group[at] == 'name' and string.sub(group[at + 1], 1, #ARGV[1]) == ARGV[1] then
        return group[at + 1]
      end
    end
  end
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  return groups
end
local name = ARGV[1] .. ARGV[2]
redis.call('XGROUP', 'CREATE', KEYS[1], name, '0', 'MKSTREAM')
return name
