-- What the transitions of a reservation share: the calls that begin with a Transition. `reservation` is what
-- `open_reservation` returns.

local HOLDING = {PENDING = true, ACCEPTED = true, WRAPPING = true}
local LAPSES_TO = {PENDING = 'EXPIRED', ACCEPTED = 'EXPIRED'}

-- Returns the state that a holding state becomes at its deadline: a wrap-up becomes what the conversation ended with. A
-- wrap-up that an earlier version began follows a complete.
local function lapses_to(reservation)
  if reservation.state == 'WRAPPING' then return reservation.ends or 'COMPLETED' end
  return LAPSES_TO[reservation.state]
end

-- Returns the reservation of a transition: what its hash holds, the keys and ids of the call, its contact, the time,
-- and in `reads` the state that it has at this time. Where it is gone or has another fence, the second result is the
-- answer that says so.
local function open_reservation(key, arg)
  local now, micros = clock()
  local reservation = fields(key.reservation, 'state', 'channel', 'cost', 'counts', 'fence', 'deadline', 'write',
    'agent_uid', 'ends', 'report', 'first', 'takes_over', 'pool', 'pool_uid', 'by')
  reservation.key, reservation.arg, reservation.id, reservation.agent = key, arg, arg.reservation_id, arg.agent_id
  reservation.now, reservation.micros = now, micros
  reservation.keep_ms = tonumber(arg.keep_ms)
  if not reservation.state then return reservation, {'gone'} end
  if arg.fence ~= '0' and arg.fence ~= reservation.fence then return reservation, {'fence'} end
  reservation.reads = reservation.state
  if tonumber(reservation.deadline) <= now then reservation.reads = lapses_to(reservation) or reservation.state end
  reservation.contact = contact_of(key, arg, now, contact_record(key.contact))
  return reservation
end

-- Returns the reservation's hash, and the time at which it is to be read; then what else the verb answers.
local function answer(reservation, ...)
  return {'ok', redis.call('HGETALL', reservation.key.reservation), digits(reservation.now), ...}
end

-- Refuses a transition. After its deadline a reservation has lapsed, whether or not that was written.
local function refusal(reservation)
  if reservation.reads ~= reservation.state or reservation.state == 'EXPIRED' then
    return {'lapsed', reservation.reads}
  end
  if reservation.reads == 'WRAPPING' and reservation.ends == 'EXPIRED' then return {'lapsed', 'EXPIRED'} end
  return {'state', reservation.reads}
end

-- Returns whether the reservation is the offer of a transfer whose contact its agent keeps until the answer.
local function is_handed_on(reservation)
  local record = reservation.contact.record
  return record.offered == reservation.id and record.state == 'ASSIGNED'
end

-- Returns whether the contact is still this reservation's, or offered by it: it may have ended, or gone on to another
-- reservation.
local function has_contact(reservation)
  local record = reservation.contact.record
  return is_handed_on(reservation)
    or record.reservation == reservation.id and (record.state == 'RESERVED' or record.state == 'ASSIGNED')
end

-- Returns the answer that names the offer of a transfer, where a conversation is to end whose contact is offered to
-- another agent, else nil. The caller withdraws the offer, whose keys this call does not have, and comes again.
local function awaited_offer(reservation)
  local record = reservation.contact.record
  if record.reservation ~= reservation.id or not record.offered then return nil end
  return {'offered', record.offered}
end

-- Keeps the records of the reservation and of its contact until a time.
local function keep_until(reservation, at)
  local key, record = reservation.key, reservation.contact.record
  redis.call('PEXPIREAT', key.reservation, at)
  if record.reservation ~= reservation.id then return end
  -- A contact that may wait is kept until its wait is over, however soon this reservation ends.
  if record.wait then
    redis.call('PEXPIREAT', key.contact, at, 'GT')
  else
    redis.call('PEXPIREAT', key.contact, at)
  end
end

-- Holds until a new deadline, at the cost that counts now.
local function extend(reservation, deadline)
  local key, at, cost = reservation.key, digits(deadline), reservation.counts or reservation.cost
  redis.call('HSET', key.reservation, 'deadline', at)
  redis.call('ZADD', key.holds, at, hold_member(reservation.id, reservation.channel, cost))
  redis.call('ZADD', key.due, at, 'reservation|' .. reservation.id)
  note_due(key.life, at)
  keep_until(reservation, digits(deadline + reservation.keep_ms))
  append(key.load, reservation.arg.events_kept, 'hold', reservation.agent, reservation.id, reservation.channel, cost, at,
    digits(reservation.now))
end

-- Counts a cost against the agent's capacity from now on: the reservation's own, or '0' while it is idle.
local function count(reservation, cost)
  local key = reservation.key
  redis.call('ZREM', key.holds,
    hold_member(reservation.id, reservation.channel, reservation.counts or reservation.cost))
  reservation.counts = cost
  if cost == '0' then
    redis.call('HSET', key.reservation, 'counts', '0', 'idle', digits(reservation.now))
  else
    redis.call('HDEL', key.reservation, 'counts', 'idle')
  end
  extend(reservation, tonumber(reservation.deadline))
end

-- Notes activity in a conversation: an idle one counts again. `idle_ms`: after how long without activity it is idle; 0:
-- never.
local function note_activity(reservation, idle_ms)
  if reservation.counts == '0' then
    count(reservation, reservation.cost)
    if has_contact(reservation) then
      step(reservation.contact, 'ASSIGNED', 'ACTIVE', reservation.id, reservation.agent)
    end
  end
  if idle_ms > 0 then
    local at = digits(reservation.now + idle_ms)
    redis.call('ZADD', reservation.key.timers, at, 'idle|' .. reservation.id)
    note_due(reservation.key.life, at)
  end
end

-- Stops counting an offer for its caller and for the site, where a quota limits their open offers.
local function count_answered(reservation)
  if not reservation.by or reservation.state ~= 'PENDING' then return end
  redis.call('ZREM', reservation.key.offers, reservation.id)
  count_off(reservation.key.asked, 'o', reservation.by, reservation.id)
end

-- Returns whether the agent is still there. A new agent of the same id is another person, whom nothing of this concerns.
local function has_agent(reservation)
  local record = fields(reservation.key.agent, 'status', 'uid')
  return record.status and is_same(reservation.agent_uid, record)
end

-- Ends the hold and frees its capacity. `idle_since`: since when the agent is idle; nil: the agent's idle time goes on.
-- A declined and a missed offer end the idle time, so that who takes no offers does not stay first in line.
-- A reservation that lapsed ended at its deadline, whenever that is written.
local function release(reservation, state, idle_since)
  local key = reservation.key
  local ended = math.min(reservation.now, tonumber(reservation.deadline))
  redis.call('HSET', key.reservation, 'state', state, 'ended', digits(ended))
  redis.call('ZREM', key.holds,
    hold_member(reservation.id, reservation.channel, reservation.counts or reservation.cost))
  redis.call('ZREM', key.due, 'reservation|' .. reservation.id)
  count_answered(reservation)
  if reservation.state ~= 'PENDING' then redis.call('ZREM', key.timers, 'idle|' .. reservation.id) end
  keep_until(reservation, digits(reservation.now + reservation.keep_ms))
  local since = ''
  if idle_since and has_agent(reservation) then
    since = digits(idle_since)
    redis.call('HSET', key.agent, 'idle', since)
  end
  earmark(key.agent, key.waiting, reservation.now)
  append(key.load, reservation.arg.events_kept, 'free', reservation.agent, reservation.id, since, digits(reservation.now))
end

-- Ends a conversation: its capacity stays held for the wrap-up, which is work and counts in full, also after an idle
-- conversation. `state`: what the conversation ends with. `ended`: when it ended; `idle_since`: see release.
local function end_conversation(reservation, state, wrap_up_ms, ended, idle_since)
  local wrapped_up = ended + wrap_up_ms
  if wrapped_up <= reservation.now then return release(reservation, state, idle_since) end
  redis.call('HSET', reservation.key.reservation, 'state', 'WRAPPING', 'ends', state)
  redis.call('ZREM', reservation.key.timers, 'idle|' .. reservation.id)
  reservation.deadline = digits(wrapped_up)
  count(reservation, reservation.cost)
end

-- Starts the counts of the agent's missed and declined offers again, as far as they are named: an agent who answers has
-- missed none in a row, and an agent who accepts has declined none in a row.
local function reset_counts(reservation, ...)
  redis.call('HDEL', reservation.key.agent, ...)
end

-- Counts an offer that the agent did not take. `count`: the agent's field, also the word for what became of the offers.
-- Returns 'away' where this call set the agent AWAY, because there were `most` in a row (0: never), else ''.
local function count_lost_offer(reservation, count, most)
  local key, arg = reservation.key, reservation.arg
  if not has_agent(reservation) then return '' end
  local lost = redis.call('HINCRBY', key.agent, count, 1)
  if most == 0 or lost < most then return '' end
  local reason = count .. ' ' .. lost .. ' offers in a row'
  local is_set = set_away(key.agent, key.roster, arg.events_kept, reservation.agent, reason, reservation.now,
    reservation.micros)
  return is_set and 'away' or ''
end

-- Notes that the agent has answered: the agent keeps the conversation, and its text is not needed any more. Returns
-- until when the conversation lasts.
local function note_first_answer(reservation)
  local key, contact = reservation.key, reservation.contact
  redis.call('HDEL', key.reservation, 'first')
  reset_counts(reservation, 'missed')
  if has_contact(reservation) then
    redis.call('HSET', key.contact, 'until', reservation.first)
    redis.call('HDEL', key.contact, 'first')
    -- While a transfer waits, the text is the transfer's.
    if not contact.record.wait then redis.call('HDEL', key.contact, 'sealed') end
  end
  reservation.deadline, reservation.first = reservation.first, nil
  extend(reservation, tonumber(reservation.deadline))
end

-- Returns whether the contact's pool is still there. A new pool of the same id is another one.
local function has_pool(reservation)
  local uid = reservation.contact.record.pool_uid
  return not uid or uid == '' or redis.call('HGET', reservation.key.pool, 'uid') == uid
end

-- Puts a contact that may wait at its place in the queue.
local function take_place(contact)
  local key, record = contact.key, contact.record
  if record.moving then
    -- A transfer that waits has its place: now that the agent is gone, the contact is of the pool it was to go to.
    redis.call('HDEL', key.contact, 'moving')
    redis.call('HSET', key.contact, 'pool', record.queued_in, 'pool_uid', '')
    record.pool, record.moving = record.queued_in, nil
    return
  end
  if not record.wait then
    -- It comes from a conversation: it may wait as long as at first, from now on.
    record.waits = digits(contact.now + tonumber(record.wait_ms))
    redis.call('HSET', key.contact, 'wait', '1', 'waits', record.waits)
    record.wait = '1'
  end
  enqueue(contact, record.pool, tonumber(record.created) - tonumber(record.head), tonumber(record.waits))
end

-- Leaves the contact with the agent who keeps it, after an offer that came to nothing: a transfer that may wait goes on
-- waiting, any other is over. See put_back.
local function keep_agent(reservation, cause, excluded_until)
  local contact, arg = reservation.contact, reservation.arg
  local key, record, agent = contact.key, contact.record, reservation.agent
  redis.call('HDEL', key.contact, 'offered')
  record.offered = nil
  local uid = reservation.pool_uid
  local has_target = not uid or uid == '' or redis.call('HGET', reservation.key.pool, 'uid') == uid
  if record.wait and cause ~= 'TRANSFER_WITHDRAWN' and has_target then
    redis.call('HSET', key.contact, 'moving', 'ON_ACCEPT')
    record.moving = 'ON_ACCEPT'
    enqueue(contact, reservation.pool, tonumber(record.created) - tonumber(record.head), tonumber(record.waits))
  elseif record.wait then
    restore_requirements(contact)
    unseal(contact)
  end
  step(contact, 'ASSIGNED', cause, reservation.id, agent, 'x:' .. agent, excluded_until,
    'u:' .. agent, reservation.agent_uid or '')
end

-- Leaves the contact without its agent: a contact that may wait goes back into the queue at its old age, or ends where its
-- pool is gone; any other is RETURNED. The agent is excluded until a time ('0': for ever).
local function put_back(reservation, cause, excluded_until)
  if is_handed_on(reservation) then return keep_agent(reservation, cause, excluded_until) end
  local contact = reservation.contact
  local key, record, agent = contact.key, contact.record, reservation.agent
  local may_wait = record.wait or tonumber(record.wait_ms)
  local stays = not may_wait or record.moving or has_pool(reservation)
  if record.first then redis.call('HDEL', key.contact, 'first') end
  if may_wait and stays then
    take_place(contact)
    redis.call('PEXPIREAT', key.contact, digits(math.max(contact.now, tonumber(record.waits)) + contact.keep_ms))
  elseif stays then
    -- Where no caller routes the contact again, this timer takes it off the list after its record is forgotten.
    local forgotten = digits(contact.now + contact.keep_ms + 1000)
    redis.call('ZADD', key.timers, forgotten, 'contact|' .. contact.id)
    note_due(key.life, forgotten)
  end
  step(contact, record.queued_in and 'QUEUED' or reservation.arg.returned, cause, reservation.id, agent,
    'x:' .. agent, excluded_until, 'u:' .. agent, reservation.agent_uid or '')
  if not stays then finish(contact, 'EXPIRED', 'POOL_REMOVED', '', '') end
end
