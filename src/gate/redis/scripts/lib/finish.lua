-- Writes back what has changed. Another worker is woken if there may be something for it; more than one token would
-- only wake workers in vain.

local function write_totals()
  local fields = {
    'token', text(totals.token), 'jobs', text(totals.jobs), 'lined', text(totals.lined), 'flows', text(totals.flows),
    'closed', text(totals.closed),
  }
  for band in pairs(passed_bands) do
    fields[#fields + 1] = 'band' .. band
    fields[#fields + 1] = text(bands[band])
  end
  call('HSET', meta, unpack(fields))
end

local function finish(answer)
  order_sync(ready)
  order_sync(dirty)
  for _, times in ipairs({ alarms, lapses, due, standing_off }) do times_sync(times) end
  forget_rested()
  write_classes()
  write_templates()
  write_budgets()
  write_flows()
  write_jobs()
  write_totals()
  if is_worth_waking and is_open and call('LLEN', root .. 'wake') == 0 then call('RPUSH', root .. 'wake', '1') end
  return { 'ok', ops, write(answer) }
end
