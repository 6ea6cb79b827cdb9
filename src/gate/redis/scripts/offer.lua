-- Puts jobs in line; one that is known is left where it is, and if it is proposed the offer is kept until its answer.
--
-- Asked     {templates, classes, entries in order of acceptance}, each a flat list
--           template: its code; class: id, template id, own values as MessagePack, number of the template;
--           entry: job, number of its class, band, flow, weight 1 to 1000, order as eight bytes, due at in ms or false
-- Returns   how many were new
-- Effects   writes jobs, classes, rolls and flows; wakes a worker

begin_change()
local codes_of, listed, entries = asked[1], asked[2], asked[3]
local definitions, ids = {}, {}
for at = 1, #listed, 4 do
  definitions[#definitions + 1] = { listed[at], listed[at + 1], listed[at + 2], codes_of[listed[at + 3]] }
  ids[#ids + 1] = listed[at]
end
load_classes(ids)
local names = {}
for at = 3, #entries, 7 do names[#names + 1] = string.char(entries[at]) .. entries[at + 1] end
load_named_flows(names)
local count = 0
for at = 1, #entries, 7 do
  if offer_one(entries, at, definitions[entries[at + 1]]) then count = count + 1 end
end
return finish(count)
