-- What every verb shares. Times are milliseconds of the store's clock, which stands still inside a call.

local function clock()
  local time = redis.call('TIME')
  local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
  return math.floor(micros / 1000), micros
end

-- Numbers reach Redis as whole decimal digits: Lua would write 1.7e+15.
local function digits(number)
  return string.format('%.0f', number)
end

-- A stream's ids are 0-1, 0-2, …: a reader that misses one knows that it was trimmed away.
local function tell(stream, keep, ...)
  return redis.call('XADD', stream, 'MAXLEN', '~', keep, '0-*', 'e', table.concat({...}, '|'))
end

-- Returns the number of a stream's last event, 0 where there is none.
local function last_event(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return last[1] and string.match(last[1][1], '%d+$') or '0'
end

local function lease_member(reservation, channel, cost)
  return reservation .. '|' .. channel .. '|' .. cost
end

-- Returns the sum of the live costs, and how many of them are of the channel. What costs nothing, because nothing
-- happens in the conversation, is not counted.
local function live_load(lease, now, channel)
  local load, on_channel = 0, 0
  for _, member in ipairs(redis.call('ZRANGE', lease, '(' .. digits(now), '+inf', 'BYSCORE')) do
    local held_channel, cost = string.match(member, '|([^|]*)|(%d+)$')
    load = load + tonumber(cost)
    if held_channel == channel and cost ~= '0' then on_channel = on_channel + 1 end
  end
  return load, on_channel
end

-- channels is ';chat=30/3;voice=100/1;': cost and most of each. Returns nil where the channel is not taken.
local function channel_terms(channels, channel)
  local _, after = string.find(channels, ';' .. channel .. '=', 1, true)
  if not after then return nil end
  local cost, most = string.match(channels, '^(%d+)/(%d+);', after + 1)
  return tonumber(cost), tonumber(most)
end

-- Versions grow, also over a removal and a new creation of the same id: the store's microseconds, or one more.
local function next_version(was, micros)
  return digits(math.max(tonumber(was or 0) + 1, micros))
end

local function fields(key, ...)
  local names, values, found = {...}, redis.call('HMGET', key, ...), {}
  for i, name in ipairs(names) do found[name] = values[i] or nil end
  return found
end

-- How long an agent whose slot became free is kept for the contacts that wait, in milliseconds. A dispatcher gives the
-- agent back as soon as it has seen that nobody who waits may take them, in milliseconds mostly; so this is for one that
-- dies (its lease is a second, and the next one needs another) or that a busy machine holds up.
local EARMARK = 5000

-- Tells whether somebody waits in one of an agent's pools. pools is ';a;b;', waiting the counts by pool.
local function awaited(waiting, pools)
  for pool in string.gmatch(pools or '', '([^;]+)') do
    if tonumber(redis.call('HGET', waiting, pool) or 0) > 0 then return true end
  end
  return false
end

-- Keeps an agent for those who wait: from here on a new message cannot take the slot before them.
local function earmark(agent, waiting, now)
  local pools = redis.call('HGET', agent, 'pools')
  if pools and awaited(waiting, pools) then redis.call('HSET', agent, 'earmark', digits(now + EARMARK)) end
end
