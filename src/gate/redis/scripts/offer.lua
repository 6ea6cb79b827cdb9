-- Puts jobs in line; one that is known is left where it is, and if it is proposed the offer is kept until its answer.
--
-- Asked     {templates, classes, entries in order of acceptance}
--           template: its code; class: {id, template id, own values as MessagePack, number of the template};
--           entry: {job, number of its class, band, flow, weight 1 to 1000, order as eight bytes, due at in ms or false}
-- Returns   how many were new
-- Effects   writes jobs, classes, rolls and flows; wakes a worker

begin_change()
local definitions, ids = {}, {}
for at, one in ipairs(asked[2]) do
  definitions[at] = { one[1], one[2], one[3], asked[1][one[4]] }
  ids[at] = one[1]
end
load_classes(ids)
local names = {}
for at, entry in ipairs(asked[3]) do names[at] = string.char(entry[3]) .. entry[4] end
load_named_flows(names)
local count = 0
for _, entry in ipairs(asked[3]) do
  if offer_one(entry, definitions[entry[2]]) then count = count + 1 end
end
return finish(count)
