-- The classes that this call has looked at: what they ask for, and the jobs in their roll. What many classes ask for
-- alike is stored once, as a template: {shape, {{text, amount, logins, limit or false, which own value or false}, ...}};
-- a class adds its own values (a repository, a request).

local templates, changed_templates = {}, {}

local function template(id)
  local found = templates[id]
  if not found then
    local raw = call('HGET', base .. 'templates', id)
    local record = raw and read(raw) or { 0, false }
    found = { id = id, classes = record[1], code = record[2], is_stored = raw and true or false }
    templates[id] = found
  end
  return found
end

local function count_template(id, more, code)
  local found = template(id)
  found.classes = found.classes + more
  if code then found.code = code end
  changed_templates[id] = found
end

local function template_content(id)
  local found = template(id)
  if not found.content then found.content = read(found.code) end
  return found.content
end

local READY, PARKED, OFF, ABSENT = 0, 1, 2, 3
local classes, changed_classes = {}, {}

local function class_of(id, raw)
  local class
  if raw then
    local template_id, own, jobs, size, first, stand, batons, held, reserves, place = unpack(read(raw))
    class = {
      template = template_id, own = own, jobs = jobs, size = size, first = first, head = first, stand = stand,
      batons = batons, held = held, reserves = reserves, place = place, is_stored = true,
    }
    -- A class that is parked is held up there.
    if held == true then class.held = { place[1], place[3] } end
    class.is_spread = size > 1
    class.id, class.adds, class.gone = id, {}, {}
  end
  classes[id] = class or false
  return class
end

local function load_classes(ids)
  local missing = {}
  for _, id in ipairs(ids) do
    if classes[id] == nil then
      classes[id] = false
      missing[#missing + 1] = id
    end
  end
  for from = 1, #missing, 4000 do
    local to = math.min(from + 3999, #missing)
    local raws = call('HMGET', base .. 'classes', unpack(missing, from, to))
    for at = from, to do class_of(missing[at], raws[at - from + 1]) end
  end
end

-- Nil for one that is not known.
local function class(id)
  local found = classes[id]
  if found == nil then found = class_of(id, call('HGET', base .. 'classes', id)) end
  return found or nil
end

local function touch(found)
  changed_classes[found.id] = found
end

-- Forgets everything but what it asks for.
local function clear_class(found)
  found.size, found.first, found.head, found.stand = 0, false, false, ABSENT
  found.batons, found.held, found.reserves, found.place = {}, false, false, false
  touch(found)
end

-- Definition: {id, template id, own values, the template}
local function new_class(definition)
  local found = {
    id = definition[1], template = definition[2], own = definition[3], jobs = 0,
    is_stored = false, is_spread = false, adds = {}, gone = {},
  }
  clear_class(found)
  count_template(found.template, 1, definition[4])
  classes[found.id] = found
  return found
end

local NOBODY = {}

local function demands_of(found)
  if not found.demands then
    local demands = {}
    local content = template_content(found.template)
    for at, demand in ipairs(content[2]) do
      local key = demand[1]
      if demand[5] then key = key .. found.own[demand[5]] end
      local excluded = NOBODY
      if #demand[3] > 0 then
        excluded = {}
        for _, login in ipairs(demand[3]) do excluded[login] = true end
      end
      demands[at] = { key, demand[2], excluded, demand[4], not demand[5], demand[3] }
    end
    found.demands, found.shape = demands, content[1]
  end
  return found.demands
end

-- Reads at once every budget that the classes ask for.
local function load_demanded(list)
  local keys = {}
  for _, found in ipairs(list) do
    for _, demand in ipairs(demands_of(found)) do keys[#keys + 1] = demand[1] end
  end
  load_budgets(keys)
end

-- The roll: ranks in order. One of a single job needs no set of its own.

local function roll_key(found)
  return base .. 'roll:' .. found.id
end

local function roll_sync(found)
  if #found.gone > 0 then call_many('ZREM', roll_key(found), found.gone) end
  if #found.adds > 0 then call_many('ZADD', roll_key(found), found.adds) end
  found.gone, found.adds = {}, {}
end

local function roll_insert(found, rank)
  touch(found)
  found.page = nil
  if #found.gone > 0 then roll_sync(found) end
  local adds = found.adds
  if found.size == 1 then
    adds[#adds + 1] = '0'
    adds[#adds + 1] = found.first
    found.is_spread = true
  end
  if found.size > 0 then
    adds[#adds + 1] = '0'
    adds[#adds + 1] = rank
  end
  if found.size == 0 or is_earlier(rank, found.first) then found.first = rank end
  found.size = found.size + 1
end

-- The one after the first.
local function roll_second(found)
  if not found.page or #found.page == found.at then
    roll_sync(found)
    -- Mostly one job of a class is taken in a call; if it is more, ever more are read at once.
    found.pace = math.min((found.pace or 1) * 2, PAGE)
    found.page = call('ZRANGE', roll_key(found), 0, found.pace - 1)
    found.at = 1
  end
  return found.page[found.at + 1]
end

-- The rank must be in it.
local function roll_remove(found, rank)
  touch(found)
  if found.size == 1 then
    found.size, found.first = 0, false
    return
  end
  if rank == found.first then
    found.first = roll_second(found)
    found.at = found.at + 1
  else
    found.page = nil
  end
  if #found.adds > 0 then roll_sync(found) end
  found.gone[#found.gone + 1] = rank
  found.size = found.size - 1
  if found.size == 1 then
    found.gone, found.adds, found.page, found.is_spread = {}, {}, nil, false
    call('UNLINK', roll_key(found))
  end
end

local function roll_ahead_of(found, rank)
  if found.size == 0 then return 0 end
  if found.size == 1 then return is_earlier(found.first, rank) and 1 or 0 end
  return call('ZLEXCOUNT', roll_key(found), '-', '(' .. rank)
end

local function write_classes()
  local kept, gone = {}, {}
  for id, found in pairs(changed_classes) do
    if found.jobs > 0 then
      roll_sync(found)
      local held = found.held
      if held and found.stand == PARKED and held[1] == found.place[1] and held[2] == found.place[3] then
        held = true
      end
      kept[#kept + 1] = id
      kept[#kept + 1] = write({
        found.template, found.own, found.jobs, found.size, found.first, found.stand, found.batons, held,
        found.reserves, found.place,
      })
    else
      count_template(found.template, -1)
      if found.is_stored then gone[#gone + 1] = id end
    end
  end
  if #kept > 0 then call_many('HSET', base .. 'classes', kept) end
  if #gone > 0 then call_many('HDEL', base .. 'classes', gone) end
end

local function write_templates()
  for id, found in pairs(changed_templates) do
    if found.classes > 0 then
      call('HSET', base .. 'templates', id, write({ found.classes, found.code }))
    elseif found.is_stored then
      call('HDEL', base .. 'templates', id)
    end
  end
end
