-- Writes back what has changed. Another worker is woken if there may be something for it; more than one token would
-- only wake workers in vain.

local TOTALS = { 'token', 'jobs', 'lined', 'flows', 'closed' }

local function write_totals(fields)
  for at, name in ipairs(TOTALS) do
    if totals[name] ~= tonumber(known[at + 4] or 0) then
      fields[#fields + 1] = name
      fields[#fields + 1] = totals[name]
    end
  end
  if #fields > 0 then call('HSET', meta, unpack(fields)) end
end

-- Of scripts that change figures and what waits for them, and nobody's place in line. `fields`: of the whole gate.
local function finish_figures(answer, fields)
  order_sync(ready)
  order_sync(dirty)
  times_sync(alarms)
  write_budgets()
  write_totals(fields or {})
  if is_worth_waking and is_open and call('LLEN', root .. 'wake') == 0 then call('RPUSH', root .. 'wake', '1') end
  return { 'ok', ops, write(answer) }
end

local function finish(answer)
  times_sync(lapses)
  times_sync(due)
  times_sync(standing_off)
  forget_rested()
  write_classes()
  write_templates()
  write_flows()
  write_jobs()
  local fields = {}
  for band in pairs(passed_bands) do
    fields[#fields + 1] = 'band' .. band
    fields[#fields + 1] = bands[band]
  end
  return finish_figures(answer, fields)
end
