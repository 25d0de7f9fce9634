-- A contact's life: its queue, its steps, its end. The calls that use it begin with a ContactStep. `contact` is what
-- `contact_of` returns: keys and arguments of the call, the contact's id, the time, how long an ended record is kept, and
-- `record`: what the contact's hash holds, kept true during the call.

-- How many bytes of steps are kept. A step has 70 to 110 (250 with the longest ids): so all steps of any contact but one that
-- goes to and fro 600 times. Beyond, the earlier half is forgotten, and a watcher who asks for it is told so.
local MOST_HISTORY = 64000

-- Reads a contact's hash.
local function contact_record(contact)
  return fields(contact, 'state', 'reservation', 'agent', 'until', 'created', 'pool', 'wait', 'waits', 'head', 'moving',
    'queued_in', 'score', 'sequence', 'history', 'pools', 'agent_uid', 'pool_uid', 'wait_ms',
    'first', 'offered', 'arm', 'by')
end

-- Returns the contact of a call.
local function contact_of(key, arg, now, record)
  return {
    key = key, arg = arg, id = arg.contact_id, now = now, keep_ms = tonumber(arg.keep_ms), record = record,
  }
end

-- Takes the contact out of the queue; returns the pool it waited in, or nil. `waiting` also holds each contact's pool,
-- so that a contact whose record is forgotten can still be taken out.
local function dequeue(contact)
  local key = contact.key
  if redis.call('ZREM', key.queue, contact.id) == 0 then return nil end
  local pool = redis.call('HGET', key.waiting, '|' .. contact.id)
  redis.call('HDEL', key.waiting, '|' .. contact.id)
  if redis.call('HINCRBY', key.waiting, pool, -1) <= 0 then redis.call('HDEL', key.waiting, pool) end
  redis.call('HDEL', key.contact, 'score', 'queued_in')
  redis.call('ZREM', key.timers, 'contact|' .. contact.id)
  if contact.record.by then count_off(key.asked, 'w', contact.record.by, contact.id) end
  contact.record.score, contact.record.queued_in = nil, nil
  return pool
end

-- Puts the contact into the queue with a score: the time it began, less its pool's head start.
local function enqueue(contact, pool, score, waits_until)
  local key = contact.key
  dequeue(contact)
  redis.call('ZADD', key.queue, digits(score), contact.id)
  redis.call('HINCRBY', key.waiting, pool, 1)
  redis.call('HSET', key.waiting, '|' .. contact.id, pool)
  redis.call('HSET', key.contact, 'score', digits(score), 'queued_in', pool)
  redis.call('ZADD', key.timers, digits(waits_until), 'contact|' .. contact.id)
  -- A site with a contact in its queue is to be followed now, not when the wait ends.
  note_due(key.life, digits(math.min(contact.now, waits_until)))
  if contact.record.by then count_for(key.asked, 'w', contact.record.by, contact.id) end
  contact.record.score, contact.record.queued_in = digits(score), pool
end

-- Adds a step to the outbox, from where the ledger takes it; where the service keeps no ledger, nothing. A full outbox
-- loses its oldest entries: the ledger sees that from the numbers. `contact.facts`: what the caller knows of the offer.
local function note_in_outbox(contact, state, cause, pool, reservation, agent)
  local most, record = contact.arg.outbox_kept, contact.record
  if most == '0' then return end
  append(contact.key.outbox, most, cause, contact.id, record.created or '', digits(contact.now), record.sequence, state,
    pool, reservation, agent, contact.facts or '')
end

-- Writes a step of the contact's life: the state, its cause, and one entry of the history. Fields and values that
-- follow `agent` are written too. `pools` says from which step on the steps are of a pool: '1=sales;7=night;'. Appends the
-- event, and returns its id.
local function step(contact, state, cause, reservation, agent, ...)
  local key, record, now = contact.key, contact.record, digits(contact.now)
  local sequence = digits(tonumber(record.sequence or 0) + 1)
  local history = (record.history or '') .. table.concat({sequence, state, cause, reservation, agent, now}, '|') .. ';'
  if #history > MOST_HISTORY then
    history = string.sub(history, string.find(history, ';', MOST_HISTORY / 2, true) + 1)
  end
  local pool, pools = record.queued_in or record.pool, record.pools or ''
  if string.match(pools, '=([^=;]*);$') ~= pool then pools = pools .. sequence .. '=' .. pool .. ';' end
  record.state, record.sequence, record.history, record.pools = state, sequence, history, pools
  redis.call('HSET', key.contact, 'state', state, 'cause', cause, 'sequence', sequence, 'history', history,
    'pools', pools, ...)
  note_in_outbox(contact, state, cause, pool, reservation, agent)
  return append(key.load, contact.arg.events_kept, 'step', contact.id, pool, sequence, state, cause, reservation, agent,
    record.score or '', now)
end

-- Returns what a contact that stays with its agent required before a transfer that may wait, for `restore_requirements`:
-- 'reservation|wait_ms|head|needs'. Of several transfers it is what was required before the first.
local function requirements_before(contact)
  local is = fields(contact.key.contact, 'before', 'reservation', 'wait_ms', 'head', 'needs')
  local mine = (is.reservation or '') .. '|'
  if is.before and string.sub(is.before, 1, #mine) == mine then return is.before end
  return mine .. (is.wait_ms or '') .. '|' .. (is.head or '') .. '|' .. (is.needs or '')
end

-- Lets a contact whose transfer came to nothing require again what it required before, and wait as long.
local function restore_requirements(contact)
  local key = contact.key.contact
  local is = fields(key, 'before', 'reservation')
  local mine = (is.reservation or '') .. '|'
  if not is.before or string.sub(is.before, 1, #mine) ~= mine then return end
  local _, last, wait_ms, head = string.find(is.before, '^(%d*)|(%d*)|', #mine + 1)
  local needs = string.sub(is.before, last + 1)
  redis.call('HDEL', key, 'before', 'wait_ms', 'head', 'needs')
  if wait_ms ~= '' then redis.call('HSET', key, 'wait_ms', wait_ms) end
  if head ~= '' then redis.call('HSET', key, 'head', head) end
  if needs ~= '' then redis.call('HSET', key, 'needs', needs) end
  contact.record.wait_ms = wait_ms ~= '' and wait_ms or nil
  contact.record.head = head ~= '' and head or nil
end

-- Deletes the sealed text of a contact that neither waits nor has an offer, unless `keeps_text`: its agent has still to
-- answer. What it requires stays, and how long it may wait: so it can come back to the queue.
local function unseal(contact, keeps_text)
  local gone = {'wait', 'moving', 'only', 'before'}
  if not keeps_text then gone[5] = 'sealed' end
  redis.call('HDEL', contact.key.contact, unpack(gone))
  contact.record.wait, contact.record.moving = nil, nil
end

-- Returns the deadline of a conversation that begins now: by then the agent must answer (`first_ms` after its beginning,
-- '0': at any time), and without that demand it lasts until a time.
local function first_deadline(now, first_ms, lasts_until)
  local most = tonumber(first_ms)
  return most > 0 and math.min(now + most, lasts_until) or lasts_until
end

-- Ends the contact.
local function finish(contact, state, cause, reservation, agent)
  local key = contact.key
  dequeue(contact)
  unseal(contact)
  redis.call('ZREM', key.contacts, contact.id)
  redis.call('PEXPIREAT', key.contact, digits(contact.now + contact.keep_ms))
  step(contact, state, cause, reservation, agent)
end

-- Ends the conversation of the agent who has handed the contact on: its hold lasts for the wrap-up, and is freed without
-- one. `old`: its id, its keys, the key of the deadlines, and the wrap-up.
local function end_handed_on(contact, old)
  local key, now, id = contact.key, digits(contact.now), old.id
  local record = fields(old.reservation, 'agent', 'channel', 'cost', 'counts')
  redis.call('ZREM', old.holds, hold_member(id, record.channel, record.counts or record.cost))
  redis.call('ZREM', key.timers, 'idle|' .. id)
  redis.call('PEXPIREAT', old.reservation, digits(contact.now + old.wrap_up_ms + contact.keep_ms))
  if old.wrap_up_ms > 0 then
    local at = digits(contact.now + old.wrap_up_ms)
    redis.call('HSET', old.reservation, 'state', 'WRAPPING', 'ends', 'COMPLETED', 'deadline', at)
    redis.call('HDEL', old.reservation, 'counts', 'idle')
    redis.call('ZADD', old.holds, at, hold_member(id, record.channel, record.cost))
    redis.call('ZADD', old.due, at, 'reservation|' .. id)
    note_due(key.life, at)
    append(key.load, contact.arg.events_kept, 'hold', record.agent, id, record.channel, record.cost, at, now)
    return
  end
  redis.call('HSET', old.reservation, 'state', 'COMPLETED', 'ended', now)
  redis.call('ZREM', old.due, 'reservation|' .. id)
  if redis.call('EXISTS', old.agent) == 1 then redis.call('HSET', old.agent, 'idle', now) end
  earmark(old.agent, key.waiting, contact.now)
  append(key.load, contact.arg.events_kept, 'free', record.agent, id, now, now)
end
