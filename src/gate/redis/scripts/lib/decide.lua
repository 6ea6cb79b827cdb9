-- Whether demands fit, and which is the first that does not. Only yes or no: the words are made outside, from the same
-- figures, by the same rules.
--
-- A demand: {key, amount, {login = true of each member that may not be chosen}, limit to assume, is shared}

-- `class`: who asks, for whom room may be kept; nil: nobody in particular.
local function is_closed(found, class)
  local closed = found.closed
  if closed and (not closed[4] or now < closed[4]) then return true end
  local kept = found.kept
  return kept and class ~= nil and kept[1] ~= class and now < kept[3]
end

-- `amount` and what is taken of the same budget already.
local function with_own(takes, key, amount)
  for at = 1, #takes, 2 do
    if takes[at] == key then amount = math.min(amount + takes[at + 1], MAX) end
  end
  return amount
end

local function is_away(member)
  local away = member[4]
  for at = 1, #away, 2 do
    if away[at] <= now and now < away[at + 1] then return true end
  end
  return false
end

-- The least loaded member who is there, has room and is not excluded; ties by name. Else nothing, and whether anybody
-- is there.
local function choose(demand, takes)
  local best, best_load, best_login
  local is_anybody = false
  for _, member in ipairs(pool_members(demand[1])) do
    local login, key = member[1], member[2]
    if not demand[3][login] and not is_away(member) then
      is_anybody = true
      local found = budget(key, member[3])
      local load = math.min(used_of(found) + with_own(takes, key, demand[2]), MAX)
      local limit = limit_of(found)
      if not is_closed(found) and (not limit or load <= limit) then
        if not best or load < best_load or (load == best_load and is_below(login, best_login)) then
          best, best_load, best_login = key, load, login
        end
      end
    end
  end
  return best, is_anybody
end

-- The same as below, for plain demands: {key, amount, limit to assume, any, and so on}
local function decide_plain(plain, class)
  local takes, count = {}, 0
  for at = 1, #plain, 4 do
    local key, amount = plain[at], plain[at + 1]
    local found = budgets[key] or budget(key)
    local limit = found.limit
    if not found.told then
      limit = found.assumed
      if limit == nil then
        limit = plain[at + 2]
        found.assumed = limit
      end
    end
    if (found.closed or found.kept) and is_closed(found, class) then return nil, key, false end
    if limit and amount > 0 then
      if amount > limit then return nil, key, false end
      if found.used + found.pending + amount > limit then return nil, key, true end
    end
    if amount > 0 then
      takes[count + 1], takes[count + 2] = key, amount
      count = count + 2
    end
  end
  return takes
end

-- What is taken; or nothing, the key that refuses, and whether only room is lacking there.
local function decide(demands, class)
  local takes = {}
  for _, demand in ipairs(demands) do
    local key, amount = demand[1], demand[2]
    if is_pool_key(key) then
      local member, is_anybody = choose(demand, takes)
      if not member then return nil, key, is_anybody end
      key = member
    else
      local found = budget(key, demand[4])
      if is_closed(found, class) then return nil, key, false end
      local limit = limit_of(found)
      if limit then
        local need = with_own(takes, key, amount)
        if need > limit then return nil, key, false end
        if need > 0 and used_of(found) + need > limit then return nil, key, true end
      end
    end
    if amount > 0 then
      takes[#takes + 1] = key
      takes[#takes + 1] = amount
    end
  end
  return takes
end
