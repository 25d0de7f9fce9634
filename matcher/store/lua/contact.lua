-- A contact's life: its queue, its steps, its end. `place` names the keys that a step needs: contact, load, queue,
-- waiting, contacts, timers; and the contact's id, the time, how long an ended record is kept, how many events are,
-- and in `known` what the contact's record says, kept true while the call goes on.

local MOST_HISTORY = 6000

local function known_of(contact)
  return fields(contact, 'state', 'reservation', 'agent', 'until', 'created', 'pool', 'wait', 'waits', 'head', 'moving',
    'queued_in', 'score', 'sequence', 'history')
end

-- Leaves the queue; returns the pool it waited in, or nil. `waiting` says who waits in which pool as well, so that a
-- contact whose record is forgotten can still be taken out.
local function dequeue(place)
  if redis.call('ZREM', place.queue, place.id) == 0 then return nil end
  local pool = redis.call('HGET', place.waiting, '|' .. place.id)
  redis.call('HDEL', place.waiting, '|' .. place.id)
  if redis.call('HINCRBY', place.waiting, pool, -1) <= 0 then redis.call('HDEL', place.waiting, pool) end
  redis.call('HDEL', place.contact, 'score', 'queued_in')
  redis.call('ZREM', place.timers, 'contact|' .. place.id)
  place.known.score, place.known.queued_in = nil, nil
  return pool
end

-- Enters the queue at a score: the contact's beginning, less its pool's head start.
local function enqueue(place, pool, score, waits)
  dequeue(place)
  redis.call('ZADD', place.queue, digits(score), place.id)
  redis.call('HINCRBY', place.waiting, pool, 1)
  redis.call('HSET', place.waiting, '|' .. place.id, pool)
  redis.call('HSET', place.contact, 'score', digits(score), 'queued_in', pool)
  redis.call('ZADD', place.timers, digits(waits), 'contact|' .. place.id)
  place.known.score, place.known.queued_in = digits(score), pool
end

-- Writes a step: the state, why, and a line of history; tells it, and returns the event's id. What follows `agent` is
-- set as well.
local function step(place, state, cause, reservation, agent, ...)
  local known, now = place.known, digits(place.now)
  local sequence = digits(tonumber(known.sequence or 0) + 1)
  local history = (known.history or '') .. table.concat({sequence, state, cause, reservation, agent, now}, '|') .. ';'
  if #history > MOST_HISTORY then history = string.sub(history, string.find(history, ';', MOST_HISTORY / 2, true) + 1) end
  known.state, known.sequence, known.history = state, sequence, history
  redis.call('HSET', place.contact, 'state', state, 'cause', cause, 'sequence', sequence, 'history', history, ...)
  return tell(place.load, place.events, 'step', place.id, known.queued_in or known.pool, sequence, state, cause,
    reservation, agent, known.score or '', now)
end

-- Waits no longer, nor is moved: nothing of what was written is kept from here on.
local function unseal(place)
  redis.call('HDEL', place.contact, 'sealed', 'wait', 'moving')
  place.known.wait, place.known.moving = nil, nil
end

-- Ends a contact.
local function finish(place, state, cause, reservation, agent)
  dequeue(place)
  unseal(place)
  redis.call('ZREM', place.contacts, place.id)
  redis.call('PEXPIREAT', place.contact, digits(place.now + place.keep))
  step(place, state, cause, reservation, agent)
end

-- Puts a contact back without an agent, until a time ('0': for ever): into the queue at its old age where it waits.
local function put_back(place, cause, reservation, agent, again)
  local known = place.known
  if known.wait then
    enqueue(place, known.pool, tonumber(known.created) - tonumber(known.head), tonumber(known.waits))
    redis.call('PEXPIREAT', place.contact, digits(math.max(place.now, tonumber(known.waits)) + place.keep))
  else
    -- Where nobody routes it again it is taken off the list once its record is forgotten.
    redis.call('ZADD', place.timers, digits(place.now + place.keep + 1000), 'contact|' .. place.id)
  end
  step(place, 'QUEUED', cause, reservation, agent, 'x:' .. agent, again)
end
