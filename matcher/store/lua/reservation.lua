-- A reservation's transitions. Their keys: reservation, contact, agent, lease, due, load, queue, waiting, contacts,
-- timers, roster. Their first arguments: the ids of reservation, contact and agent, the fence (0: any), how long an
-- ended record is kept, and how many events a stream keeps.

local HOLDING = {PENDING = true, ACCEPTED = true, WRAPPING = true}
local LAPSES_TO = {PENDING = 'EXPIRED', ACCEPTED = 'EXPIRED', WRAPPING = 'COMPLETED'}

local function opened(keys, args)
  local now, micros = clock()
  local it = fields(keys[1], 'state', 'channel', 'cost', 'counts', 'fence', 'deadline', 'write')
  it.now, it.micros = now, micros
  it.reservation, it.contact, it.agent, it.keep, it.events = args[1], args[2], args[3], args[5], args[6]
  if not it.state then return it, {'gone'} end
  if args[4] ~= '0' and args[4] ~= it.fence then return it, {'fence'} end
  it.reads = it.state
  if tonumber(it.deadline) <= now and LAPSES_TO[it.state] then it.reads = LAPSES_TO[it.state] end
  it.place = {
    contact = keys[2], load = keys[6], queue = keys[7], waiting = keys[8], contacts = keys[9], timers = keys[10],
    id = args[2], now = now, keep = tonumber(args[5]), events = args[6], known = known_of(keys[2]),
  }
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

-- A contact may have ended, or gone on to another reservation since: then it is no longer this one's to change.
local function has_contact(it)
  local known = it.place.known
  return known.reservation == it.reservation and (known.state == 'RESERVED' or known.state == 'ASSIGNED')
end

local function keep_until(keys, it, at)
  redis.call('PEXPIREAT', keys[1], at)
  local known = it.place.known
  if known.reservation ~= it.reservation then return end
  -- A contact that waits lives until its wait is over, however soon this reservation ends.
  if known.wait then
    redis.call('PEXPIREAT', keys[2], at, 'GT')
  else
    redis.call('PEXPIREAT', keys[2], at)
  end
end

-- Holds on until a new deadline, at what it counts now.
local function extend(keys, it, deadline)
  local at, counts = digits(deadline), it.counts or it.cost
  redis.call('HSET', keys[1], 'deadline', at)
  redis.call('ZADD', keys[4], at, lease_member(it.reservation, it.channel, counts))
  redis.call('ZADD', keys[5], at, 'reservation|' .. it.reservation)
  keep_until(keys, it, digits(deadline + tonumber(it.keep)))
  tell(keys[6], it.events, 'hold', it.agent, it.reservation, it.channel, counts, at, digits(it.now))
end

-- Counts against the capacity what it costs, or nothing.
local function count(keys, it, counts)
  redis.call('ZREM', keys[4], lease_member(it.reservation, it.channel, it.counts or it.cost))
  it.counts = counts
  if counts == '0' then
    redis.call('HSET', keys[1], 'counts', '0', 'idle', digits(it.now))
  else
    redis.call('HDEL', keys[1], 'counts', 'idle')
  end
  extend(keys, it, tonumber(it.deadline))
end

-- Says that a conversation goes on: one that had stopped counting counts again. idle_ms: when it would stop; 0: never.
local function stir(keys, it, idle_ms)
  if it.counts == '0' then
    count(keys, it, it.cost)
    if has_contact(it) then step(it.place, 'ASSIGNED', 'ACTIVE', it.reservation, it.agent) end
  end
  if idle_ms > 0 then
    redis.call('ZADD', keys[10], digits(it.now + idle_ms), 'idle|' .. it.reservation)
  end
end

-- Ends a hold and gives the slot back. idle_since is nil where the agent's waiting time does not start anew. What
-- lapsed ended at its deadline, whenever that is written down.
local function release(keys, it, state, idle_since)
  redis.call('HSET', keys[1], 'state', state, 'ended', digits(math.min(it.now, tonumber(it.deadline))))
  redis.call('ZREM', keys[4], lease_member(it.reservation, it.channel, it.counts or it.cost))
  redis.call('ZREM', keys[5], 'reservation|' .. it.reservation)
  if it.state ~= 'PENDING' then redis.call('ZREM', keys[10], 'idle|' .. it.reservation) end
  keep_until(keys, it, digits(it.now + tonumber(it.keep)))
  local since = ''
  if idle_since and redis.call('EXISTS', keys[3]) == 1 then
    since = digits(idle_since)
    redis.call('HSET', keys[3], 'idle', since)
  end
  earmark(keys[3], keys[8], it.now)
  tell(keys[6], it.events, 'free', it.agent, it.reservation, since, digits(it.now))
end

-- Frees the slot from which a contact has been handed on to another.
local function hand_over(reservation, agent, lease, place, due, id)
  local old = fields(reservation, 'agent', 'channel', 'cost', 'counts')
  redis.call('HSET', reservation, 'state', 'COMPLETED', 'ended', digits(place.now))
  redis.call('PEXPIREAT', reservation, digits(place.now + place.keep))
  redis.call('ZREM', lease, lease_member(id, old.channel, old.counts or old.cost))
  redis.call('ZREM', due, 'reservation|' .. id)
  redis.call('ZREM', place.timers, 'idle|' .. id)
  if redis.call('EXISTS', agent) == 1 then redis.call('HSET', agent, 'idle', digits(place.now)) end
  earmark(agent, place.waiting, place.now)
  tell(place.load, place.events, 'free', old.agent, id, digits(place.now), digits(place.now))
end

-- An agent who answers has missed nothing in a row.
local function answered(keys)
  redis.call('HDEL', keys[3], 'missed')
end

-- Takes an agent away from the phones, and says why. Tells whether this call was the one.
local function send_away(agent, roster, events, id, reason, now, micros, ...)
  local was = fields(agent, 'status', 'version')
  if was.status ~= 'ONLINE' and was.status ~= 'DRAINING' then return false end
  local version = next_version(was.version, micros)
  redis.call('HSET', agent, 'status', 'AWAY', 'reason', reason, 'version', version, 'updated', digits(now), ...)
  tell(roster, events, 'agent', id, version, digits(now))
  return true
end
