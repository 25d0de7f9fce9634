-- A contact's life: its queue, its steps, its end. `place` names the keys that a step needs: contact, load, queue,
-- waiting, contacts, timers; and the contact's id, the time, how long an ended record is kept, how many events are.

local MOST_HISTORY = 6000

-- Enters the queue at a score: the contact's beginning, less its pool's head start.
local function enqueue(place, pool, score, waits)
  if redis.call('ZADD', place.queue, digits(score), place.id) == 1 then
    redis.call('HINCRBY', place.waiting, pool, 1)
  end
  redis.call('HSET', place.contact, 'score', digits(score), 'queued_in', pool)
  redis.call('ZADD', place.timers, digits(waits), 'contact|' .. place.id)
end

-- Leaves the queue; tells whether it was there.
local function dequeue(place)
  if redis.call('ZREM', place.queue, place.id) == 0 then return false end
  local pool = redis.call('HGET', place.contact, 'queued_in')
  if redis.call('HINCRBY', place.waiting, pool, -1) <= 0 then redis.call('HDEL', place.waiting, pool) end
  redis.call('HDEL', place.contact, 'score', 'queued_in')
  return true
end

-- Writes a step: the state, why, and a line of history; tells it, and returns the event's id. What follows `agent` is
-- set as well.
local function step(place, state, cause, reservation, agent, ...)
  redis.call('HSET', place.contact, 'state', state, 'cause', cause, ...)
  local sequence = redis.call('HINCRBY', place.contact, 'sequence', 1)
  local known = fields(place.contact, 'history', 'pool', 'queued_in', 'score')
  local line = table.concat({sequence, state, cause, reservation, agent, digits(place.now)}, '|') .. ';'
  local history = (known.history or '') .. line
  if #history > MOST_HISTORY then history = string.sub(history, string.find(history, ';', MOST_HISTORY / 2, true) + 1) end
  redis.call('HSET', place.contact, 'history', history)
  return tell(place.load, place.events, 'step', place.id, known.queued_in or known.pool, sequence, state, cause, reservation, agent,
    known.score or '', digits(place.now))
end

-- Ends a contact: nothing of what was written in it is kept from here on.
local function finish(place, state, cause, reservation, agent)
  dequeue(place)
  redis.call('HDEL', place.contact, 'sealed', 'wait', 'moving')
  redis.call('ZREM', place.contacts, place.id)
  redis.call('ZREM', place.timers, 'contact|' .. place.id)
  redis.call('PEXPIREAT', place.contact, digits(place.now + place.keep))
  step(place, state, cause, reservation, agent)
end

-- Puts a contact back without an agent, until a time ('0': for ever): into the queue at its old age where it waits.
local function put_back(place, cause, reservation, agent, again)
  redis.call('HSET', place.contact, 'x:' .. agent, again)
  local contact = fields(place.contact, 'wait', 'created', 'head', 'waits', 'pool')
  if contact.wait == '1' then
    enqueue(place, contact.pool, tonumber(contact.created) - tonumber(contact.head), tonumber(contact.waits))
    redis.call('PEXPIREAT', place.contact, digits(math.max(place.now, tonumber(contact.waits)) + place.keep))
  end
  step(place, 'QUEUED', cause, reservation, agent)
end
