-- The classes that this call has looked at: what they ask for, and the jobs in their roll. What many classes ask for
-- alike is stored once, as a template; a class adds its own values (a repository, a request).
-- Where each budget is asked for once and none is a pool: {shape, plain demands but for the gates, all as MessagePack};
-- plain demands: {text, amount, limit or false, which own value or false, and so on}.
-- Else: {shape, false, all demands as MessagePack, those but for the gates as MessagePack};
-- each of them: {text, amount, logins or false, limit or false, which own value or false}.

-- Templates by their id: what they ask for, and how many classes more or fewer use them after this call.
local codes, contents, uses = {}, {}, {}

-- `code`: what the template asks for, as bytes.
local function use_template(id, more, code)
  uses[id] = (uses[id] or 0) + more
  if code then codes[id] = code end
end

-- What all classes of the template ask for is made once.
local function template_content(id)
  local content = contents[id]
  if not content then
    content = read(codes[id] or call('HGET', base .. 'templates', id))
    contents[id] = content
    -- While nothing is closed no gate can refuse.
    if content[2] and totals.closed > 0 then content[2] = read(content[3]) end
  end
  return content
end

-- The template's demands as questions to `decide`, with which own value follows.
local function template_demands(content)
  local demands = content.demands
  if demands then return demands end
  demands = {}
  local plain = content[2]
  if plain then
    for at = 1, #plain, 4 do
      local own = plain[at + 3]
      demands[#demands + 1] = { plain[at], plain[at + 1], NONE, plain[at + 2], not own, NONE, own }
    end
  else
    for at, demand in ipairs(read(totals.closed > 0 and content[3] or content[4])) do
      local logins, own, excluded = demand[3], demand[5], NONE
      if logins then
        excluded = {}
        for _, login in ipairs(logins) do excluded[login] = true end
      end
      demands[at] = { demand[1], demand[2], excluded, demand[4], not own, logins or NONE, own }
    end
  end
  content.demands = demands
  return demands
end

-- Reads at once what the classes' templates ask for.
local function load_templates(list)
  local missing = {}
  for _, found in ipairs(list) do
    local id = found.template
    if codes[id] == nil then
      codes[id] = false
      missing[#missing + 1] = id
    end
  end
  if #missing == 0 then return end
  local raws = call('HMGET', base .. 'templates', unpack(missing))
  for at, id in ipairs(missing) do codes[id] = raws[at] end
end

local READY, PARKED, OFF, ABSENT = 0, 1, 2, 3
local classes, changed_classes = {}, {}

-- A record: the template, jobs, size of the roll, stand, the first of the roll, whether more follows and how long the
-- own values are; these as MessagePack, and as such what is seldom there: batons, what held it up, which budget keeps room
-- for it, the place.
local CLASS = '>c8I6I6Bc32BI2'

-- Seldom there: `batons`, `held`, `reserves`, `place`, and what is changed in a roll.
local function class_of(id, raw)
  local class
  if raw then
    local template_id, jobs, size, stand, first, has_more, length, at = unpack_bytes(CLASS, raw)
    if size == 0 then first = false end
    class = {
      id = id, template = template_id, own = sub(raw, at, at + length - 1), jobs = jobs, size = size, first = first,
      head = first, stand = stand,
    }
    if has_more == 1 then
      class.batons, class.held, class.reserves, class.place = read(sub(raw, at + length))
      if #class.batons == 0 then class.batons = nil end
      -- A class that is parked is held up there.
      if class.held == true then class.held = { class.place[1], class.place[3] } end
    end
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
  if found.batons or found.held or found.reserves or found.place then
    found.batons, found.held, found.reserves, found.place = nil, nil, nil, nil
  end
  touch(found)
end

-- Definition: {id, template id, own values as MessagePack, the template}
local function new_class(definition)
  local found = {
    id = definition[1], template = definition[2], own = definition[3], jobs = 0, size = 0, first = false, head = false,
    stand = ABSENT,
  }
  touch(found)
  use_template(found.template, 1, definition[4])
  classes[found.id] = found
  return found
end

local function demands_of(found)
  if not found.demands then
    local demands, own = {}, nil
    local content = template_content(found.template)
    for at, demand in ipairs(template_demands(content)) do
      if demand[7] then
        own = own or read(found.own)
        demand = { demand[1] .. own[demand[7]], demand[2], demand[3], demand[4], false, demand[6] }
      end
      demands[at] = demand
    end
    found.demands, found.shape = demands, content[1]
  end
  return found.demands
end

local plains = {}

-- {key, amount, limit or false, any, and so on}; false where they are not plain.
local function plain_of(found)
  local plain = plains[found.id]
  if plain == nil then
    plain = template_content(found.template)[2]
    if plain then
      plain = { unpack(plain) }
      local own
      for at = 4, #plain, 4 do
        if plain[at] then
          own = own or read(found.own)
          plain[at - 3] = plain[at - 3] .. own[plain[at]]
        end
      end
    end
    plains[found.id] = plain
  end
  return plain
end

-- As `decide`, for what a class asks for.
local function decide_class(found)
  local plain = plain_of(found)
  if plain then return decide_plain(plain, found.id) end
  return decide(demands_of(found), found.id)
end

-- Reads at once every budget that the classes ask for.
local function load_demanded(list)
  load_templates(list)
  local keys, count = {}, 0
  local function note(key)
    if raws[key] == nil then
      count = count + 1
      keys[count] = key
    end
  end
  for _, found in ipairs(list) do
    local plain = plain_of(found)
    if plain then
      for at = 1, #plain, 4 do note(plain[at]) end
    else
      for _, demand in ipairs(demands_of(found)) do note(demand[1]) end
    end
  end
  load_budgets(keys)
end

-- The roll: ranks in order. One of a single job needs no set of its own.

local function roll_key(found)
  return base .. 'roll:' .. found.id
end

local function roll_sync(found)
  if found.gone then call_many('ZREM', roll_key(found), found.gone) end
  if found.adds then call_many('ZADD', roll_key(found), found.adds) end
  if found.gone or found.adds then found.gone, found.adds = nil, nil end
end

local function roll_insert(found, rank)
  touch(found)
  if found.page then found.page = nil end
  if found.gone then roll_sync(found) end
  if found.size > 0 and not found.adds then found.adds = {} end
  local adds = found.adds
  if found.size == 1 then
    adds[#adds + 1] = '0'
    adds[#adds + 1] = found.first
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
  if found.adds then roll_sync(found) end
  if not found.gone then found.gone = {} end
  found.gone[#found.gone + 1] = rank
  found.size = found.size - 1
  if found.size == 1 then
    found.gone, found.adds, found.page = nil, nil, nil
    call('UNLINK', roll_key(found))
  end
end

local function roll_ahead_of(found, rank)
  if found.size == 0 then return 0 end
  if found.size == 1 then return is_earlier(found.first, rank) and 1 or 0 end
  return call('ZLEXCOUNT', roll_key(found), '-', '(' .. rank)
end

local function class_record(found)
  local held, place, has_more, more = found.held, found.place, 0, ''
  if held or place or found.reserves or found.batons then
    if held and found.stand == PARKED and held[1] == place[1] and held[2] == place[3] then held = true end
    has_more, more = 1, write(found.batons or NONE, held or false, found.reserves or false, place or false)
  end
  local own, first = found.own, found.first or string.rep('\0', 32)
  local head = pack_bytes(CLASS, found.template, found.jobs, found.size, found.stand, first, has_more, #own)
  return head .. own .. more
end

local function write_classes()
  local kept, gone = {}, {}
  for id, found in pairs(changed_classes) do
    if found.jobs > 0 then
      roll_sync(found)
      kept[#kept + 1] = id
      kept[#kept + 1] = class_record(found)
    else
      use_template(found.template, -1)
      gone[#gone + 1] = id
    end
  end
  if #kept > 0 then call_many('HSET', base .. 'classes', kept) end
  if #gone > 0 then call_many('HDEL', base .. 'classes', gone) end
end

-- A template that no class uses any more is forgotten.
local function write_templates()
  local ids = {}
  for id, more in pairs(uses) do
    if more ~= 0 then ids[#ids + 1] = id end
  end
  if #ids == 0 then return end
  local counts, new, gone = {}, {}, {}
  for at, known in ipairs(call('HMGET', base .. 'uses', unpack(ids))) do
    local id = ids[at]
    local count = uses[id] + (known and unpack_bytes('>I6', known) or 0)
    if count > 0 then
      counts[#counts + 1] = id
      counts[#counts + 1] = pack_bytes('>I6', count)
      if not known then
        new[#new + 1] = id
        new[#new + 1] = codes[id]
      end
    else
      gone[#gone + 1] = id
    end
  end
  if #counts > 0 then call_many('HSET', base .. 'uses', counts) end
  if #new > 0 then call_many('HSET', base .. 'templates', new) end
  if #gone > 0 then
    call_many('HDEL', base .. 'uses', gone)
    call_many('HDEL', base .. 'templates', gone)
  end
end
