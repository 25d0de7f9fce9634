-- What every verb shares. Times are milliseconds of the store's clock, which stands still inside a call.

local HOLDING = {PENDING = true, ACCEPTED = true, WRAPPING = true}
local LAPSES_TO = {PENDING = 'EXPIRED', ACCEPTED = 'EXPIRED', WRAPPING = 'COMPLETED'}

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

local function lease_member(reservation, channel, cost)
  return reservation .. '|' .. channel .. '|' .. cost
end

-- Returns the sum of the live costs, and how many of them are of the channel.
local function live_load(lease, now, channel)
  local load, on_channel = 0, 0
  for _, member in ipairs(redis.call('ZRANGE', lease, '(' .. digits(now), '+inf', 'BYSCORE')) do
    local held_channel, cost = string.match(member, '|([^|]*)|(%d+)$')
    load = load + tonumber(cost)
    if held_channel == channel then on_channel = on_channel + 1 end
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

-- A transition's keys: reservation, contact, agent, lease, due, load. Its first arguments: the ids of reservation,
-- contact and agent, the fence (0: any), how long an ended record is kept, and how many events a stream keeps.
local function opened(keys, args)
  local now = clock()
  local it = fields(keys[1], 'state', 'channel', 'cost', 'fence', 'deadline', 'write')
  it.now, it.reservation, it.contact, it.agent, it.keep, it.events = now, args[1], args[2], args[3], args[5], args[6]
  if not it.state then return it, {'gone'} end
  if args[4] ~= '0' and args[4] ~= it.fence then return it, {'fence'} end
  it.reads = it.state
  if tonumber(it.deadline) <= now and LAPSES_TO[it.state] then it.reads = LAPSES_TO[it.state] end
  return it
end

-- Returns the reservation, and the time at which it is to be read.
local function answer(keys, it)
  return {'ok', redis.call('HGETALL', keys[1]), digits(it.now)}
end

-- Refuses a transition: past its deadline a reservation says so, whether or not it was swept.
local function refused(it)
  if it.reads ~= it.state or it.state == 'EXPIRED' then return {'lapsed', it.reads} end
  return {'state', it.reads}
end

-- A contact may have gone on to another reservation since: then it is no longer this one's to change.
local function has_contact(keys, it)
  return redis.call('HGET', keys[2], 'reservation') == it.reservation
end

local function change_contact(keys, it, state, ...)
  if not has_contact(keys, it) then return end
  redis.call('HSET', keys[2], 'state', state, ...)
  redis.call('HINCRBY', keys[2], 'sequence', 1)
end

local function keep_until(keys, it, at)
  redis.call('PEXPIREAT', keys[1], at)
  if has_contact(keys, it) then redis.call('PEXPIREAT', keys[2], at) end
end

-- Holds on until a new deadline.
local function extend(keys, it, deadline)
  local at = digits(deadline)
  redis.call('HSET', keys[1], 'deadline', at)
  redis.call('ZADD', keys[4], at, lease_member(it.reservation, it.channel, it.cost))
  redis.call('ZADD', keys[5], at, 'reservation|' .. it.reservation)
  keep_until(keys, it, digits(deadline + tonumber(it.keep)))
  tell(keys[6], it.events, 'hold', it.agent, it.reservation, it.channel, it.cost, at, digits(it.now))
end

-- Ends a hold and gives the slot back. idle_since is nil where the agent's waiting time does not start anew. What
-- lapsed ended at its deadline, whenever that is written down.
local function release(keys, it, state, idle_since)
  redis.call('HSET', keys[1], 'state', state, 'ended', digits(math.min(it.now, tonumber(it.deadline))))
  redis.call('ZREM', keys[4], lease_member(it.reservation, it.channel, it.cost))
  redis.call('ZREM', keys[5], 'reservation|' .. it.reservation)
  keep_until(keys, it, digits(it.now + tonumber(it.keep)))
  local since = ''
  if idle_since and redis.call('EXISTS', keys[3]) == 1 then
    since = digits(idle_since)
    redis.call('HSET', keys[3], 'idle', since)
  end
  tell(keys[6], it.events, 'free', it.agent, it.reservation, since, digits(it.now))
end
