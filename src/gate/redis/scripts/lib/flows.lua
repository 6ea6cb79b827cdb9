-- Virtual time: start-time fair queueing, by flow and band.

local SCALE = 1048576
local DRIFT = 1024
local WEIGHT_MAX = 1000

local flows, changed_flows, flow_numbers = {}, {}, {}
local bands, passed_bands = {}, {}

local function band_time(band)
  if not bands[band] then bands[band] = tonumber(call('HGET', meta, 'band' .. band) or '0') end
  return bands[band]
end

local function resting(band)
  return base .. 'resting:' .. band
end

local function flow_of(number, raw)
  local flow = false
  if raw then
    local record = read(raw)
    flow = { number = number, finish = record[1], jobs = record[2], name = record[3], is_stored = true, is_named = true }
  end
  flows[number] = flow
  return flow
end

local function flow_by_number(number)
  local flow = flows[number]
  if flow == nil then flow = flow_of(number, call('HGET', base .. 'flows', number)) end
  return flow
end

-- Reads at once the flows with these numbers.
local function load_flows(numbers)
  local missing = {}
  for _, number in ipairs(numbers) do
    if flows[number] == nil then
      flows[number] = false
      missing[#missing + 1] = number
    end
  end
  if #missing == 0 then return end
  for at, raw in ipairs(call('HMGET', base .. 'flows', unpack(missing))) do flow_of(missing[at], raw) end
end

-- Reads at once the flows with these names, each with its band before it.
local function load_named_flows(names)
  local missing, numbers = {}, {}
  for _, name in ipairs(names) do
    if flow_numbers[name] == nil then
      flow_numbers[name] = false
      missing[#missing + 1] = name
    end
  end
  if #missing == 0 then return end
  for at, raw in ipairs(call('HMGET', base .. 'flow_names', unpack(missing))) do
    local number = raw and tonumber(raw)
    flow_numbers[missing[at]] = number
    if number then numbers[#numbers + 1] = number end
  end
  load_flows(numbers)
end

local function flow_by_name(band, name)
  name = string.char(band) .. name
  local number = flow_numbers[name]
  if number == nil then
    number = tonumber(call('HGET', base .. 'flow_names', name) or false)
    flow_numbers[name] = number
  end
  local flow = number and flow_by_number(number)
  if flow then return flow end
  totals.flows = totals.flows + 1
  flow = { number = totals.flows, finish = 0, jobs = 0, name = name, is_stored = false }
  flows[flow.number], flow_numbers[name] = flow, flow.number
  return flow
end

-- The tag that the flow's next job gets.
local function next_tag(flow, band)
  return math.max(flow.finish, band_time(band))
end

-- A job comes with that tag.
local function flow_enter(flow, band, weight, tag)
  if flow.jobs == 0 and flow.is_stored then call('ZREM', resting(band), flow.number) end
  flow.jobs = flow.jobs + 1
  flow.finish = tag + math.floor(SCALE / math.max(1, math.min(weight, WEIGHT_MAX)))
  changed_flows[flow.number] = flow
end

-- A job of the flow has left the gate.
local function flow_leave(band, number)
  local flow = flow_by_number(number)
  if not flow then return end
  flow.jobs = math.max(flow.jobs - 1, 0)
  changed_flows[number] = flow
  if flow.jobs > 0 then return end
  if flow.finish > band_time(band) then
    call('ZADD', resting(band), flow.finish, number)
    flow.is_stored = true
  else
    flow_numbers[flow.name], flows[number], changed_flows[number] = nil, nil, nil
    if flow.is_named then
      call('HDEL', base .. 'flows', number)
      call('HDEL', base .. 'flow_names', flow.name)
    end
  end
end

-- A job with this tag was proposed: time passes.
local function flow_pass(band, tag)
  bands[band] = math.max(band_time(band) + DRIFT, tag)
  passed_bands[band] = true
end

-- Flows without a job that time has caught up with are forgotten.
local function forget_rested()
  for band in pairs(passed_bands) do
    local upto = bands[band]
    local rested = call('ZRANGEBYSCORE', resting(band), '-inf', upto, 'LIMIT', 0, 4000)
    if #rested > 0 then
      local names = {}
      for at, raw in ipairs(call('HMGET', base .. 'flows', unpack(rested))) do
        names[at] = read(raw)[3]
      end
      call('ZREM', resting(band), unpack(rested))
      call('HDEL', base .. 'flows', unpack(rested))
      call('HDEL', base .. 'flow_names', unpack(names))
    end
  end
end

local function write_flows()
  local records, names = {}, {}
  for number, flow in pairs(changed_flows) do
    records[#records + 1] = number
    records[#records + 1] = write({ flow.finish, flow.jobs, flow.name })
    if not flow.is_named then
      names[#names + 1] = flow.name
      names[#names + 1] = number
    end
  end
  if #records > 0 then call_many('HSET', base .. 'flows', records) end
  if #names > 0 then call_many('HSET', base .. 'flow_names', names) end
end
