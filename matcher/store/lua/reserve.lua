-- Holds capacity of the best candidate that has enough of it free; where none has, the contact waits if it may.
-- Takes and answers: verbs.Reserve.
--
-- `attempt` is one call: its keys and arguments, the time, the contact and its record, and whether the contact comes
-- from the queue, from another agent (transfer), or both.

-- Returns the answer that this request was given before, nil for a new request.
local function earlier_answer(key, arg)
  if arg.digest == '' then return nil end
  local earlier = redis.call('GET', key.once)
  if not earlier then return nil end
  local digest, reservation, decision, contact = string.match(earlier, '^(%x+)|([^|]*)|([^|]*)|(.*)$')
  if digest ~= arg.digest and not string.find(arg.former_digests, digest, 1, true) then return {'reused'} end
  return {'replayed', reservation, decision, contact}
end

-- Remembers the answer to this request: the ids, '' where the contact waits.
local function remember_answer(key, arg, reservation, decision)
  if arg.digest == '' then return end
  redis.call('SET', key.once, table.concat({arg.digest, reservation, decision, arg.contact_id}, '|'), 'PX', arg.once_ms)
end

local function open_attempt(key, arg)
  local now, micros = clock()
  local record = redis.call('EXISTS', key.contact) == 1 and contact_record(key.contact) or {}
  return {
    key = key, arg = arg, now = now, micros = micros, record = record, contact = contact_of(key, arg, now, record),
    transfer = arg.kind == 'transfer' or arg.kind == 'move', from_queue = arg.kind == 'queue' or arg.kind == 'move',
  }
end

-- The states in which a contact can be routed, or assigned by hand; of a RESERVED contact the offer is withdrawn.
local ROUTABLE = {QUEUED = true, RETURNED = true, QUARANTINED = true, RESERVED = true}

-- Returns the answer where a message that routes a contact again names another customer or channel than the contact's own,
-- else nil.
local function check_own(attempt)
  local arg, wrong = attempt.arg, {}
  local own = fields(attempt.key.contact, 'customer', 'channel')
  attempt.customer = own.customer or ''
  if arg.customer ~= '' and attempt.customer ~= '' and arg.customer ~= attempt.customer then
    wrong[#wrong + 1] = 'customer'
  end
  if own.channel and arg.channel ~= own.channel then wrong[#wrong + 1] = 'channel' end
  if #wrong > 0 then return {'differs', table.concat(wrong, '|')} end
end

-- Returns the answer where the contact does not stand as the kind of the call demands, else nil. Notes the agent that
-- the contact comes from and must not go back to: who hands it on, or whose offer lapsed.
local function check_contact(attempt)
  local arg, record = attempt.arg, attempt.record
  local state = record.state
  local live = (state == 'RESERVED' or state == 'ASSIGNED') and tonumber(record['until']) > attempt.now
  if attempt.from_queue then
    if live and (record.reservation == arg.reservation_id or record.offered == arg.reservation_id) then
      return {'replayed', arg.reservation_id, arg.decision_id, arg.contact_id}
    end
    if not record.queued_in then return {'state', state or ''} end
  end
  if arg.kind == 'assign' then
    attempt.withdraws = live and state == 'RESERVED'
    -- The contact has taken a step since the caller read it.
    local moved = (record.sequence or '') ~= arg.by_hand[1].sequence or (attempt.withdraws and #arg.handed_on == 0)
    if moved and not (live and state == 'ASSIGNED') then return {'moved', record.reservation or ''} end
  end
  if attempt.transfer then
    if not (live and state == 'ASSIGNED') then return {'state', state or ''} end
    -- Another agent has the contact than when the caller read it, or nobody had accepted it then.
    if record.reservation ~= arg.handed_on[1].id then return {'moved', record.reservation} end
    if record.offered then return {'live', record.offered} end
    -- An offer that begins ACCEPTED waits for nobody's answer.
    attempt.keeps_agent = arg.release == 'ON_ACCEPT' and arg.state ~= 'ACCEPTED'
    -- Another transfer waits than when the caller read it.
    if attempt.from_queue and (record.moving == 'ON_ACCEPT') ~= (arg.release == 'ON_ACCEPT') then
      return {'state', state}
    end
    attempt.previous_agent, attempt.previous_uid = record.agent, record.agent_uid
  elseif attempt.from_queue then
    if state ~= 'QUEUED' then return {'state', state} end
  elseif live and not attempt.withdraws then
    return {'live', record.reservation}
  elseif record.offered and record.first then
    -- Its agent did not answer in time; the offer of a transfer is withdrawn as soon as that is written.
    return {'live', record.offered}
  elseif state == 'ASSIGNED' and not record.first then
    return {'ended', 'EXPIRED'}
  elseif not live and (state == 'RESERVED' or state == 'ASSIGNED') then
    attempt.previous_agent, attempt.previous_uid = record.agent, record.agent_uid
  elseif state and not ROUTABLE[state] then
    return {'ended', state}
  end
  if arg.kind == 'new' and state then return check_own(attempt) end
end

-- Ends the conversation from which the contact was handed on, unless its agent keeps the contact until the answer.
local function hand_over(attempt)
  local key, arg = attempt.key, attempt.arg
  if attempt.keeps_agent then return end
  end_handed_on(attempt.contact, {
    id = arg.handed_on[1].id, reservation = key.handed_on[1].reservation, agent = key.handed_on[1].agent,
    holds = key.handed_on[1].holds, due = key.due, wrap_up_ms = tonumber(arg.handed_on[1].wrap_up_ms),
  })
end

-- Withdraws the offer of a contact that is assigned by hand: its agent may be offered the contact again.
local function withdraw_offer(attempt)
  local key, arg, now = attempt.key, attempt.arg, digits(attempt.now)
  local reservation, agent, id = key.handed_on[1].reservation, key.handed_on[1].agent, arg.handed_on[1].id
  local old = fields(reservation, 'agent', 'channel', 'cost', 'by')
  redis.call('HSET', reservation, 'state', 'CANCELED', 'ended', now)
  redis.call('PEXPIREAT', reservation, digits(attempt.now + attempt.contact.keep_ms))
  redis.call('ZREM', key.handed_on[1].holds, hold_member(id, old.channel, old.cost))
  redis.call('ZREM', key.due, 'reservation|' .. id)
  if old.by then
    redis.call('ZREM', key.offers, id)
    count_off(key.asked, 'o', old.by, id)
  end
  earmark(agent, key.waiting, attempt.now)
  append(key.load, arg.events_kept, 'free', old.agent, id, '', now)
end

-- Notes in a reservation and its decision who made the assignment by hand, why, and against what.
local function note_by_hand(attempt, chosen)
  local key, actor, why = attempt.key, attempt.arg.by_hand[1].actor, attempt.arg.by_hand[1].reason
  if why ~= '' then redis.call('HSET', key.decision, 'why', why) end
  if actor ~= '' then redis.call('HSET', key.reservation, 'actor', actor) end
  if chosen.ignored ~= '' then redis.call('HSET', key.decision, 'ignored', chosen.ignored) end
  if chosen.over then
    redis.call('HSET', key.reservation, 'over', '1')
    redis.call('HSET', key.decision, 'over', '1')
  end
end

-- Adds names and values to the changes of a record.
local function add(changes, ...)
  for _, part in ipairs({...}) do changes[#changes + 1] = part end
end

-- Adds what the request requires to the changes, and removes what an earlier request required. `stays`: the contact stays
-- with its agent until a transfer finds another one.
local function put_requirements(attempt, changes, stays)
  local arg = attempt.arg
  if stays then add(changes, 'before', requirements_before(attempt.contact)) end
  if attempt.record.state then redis.call('HDEL', attempt.key.contact, 'needs', 'only', 'wait_ms') end
  if arg.kind == 'new' and (attempt.record.first or attempt.record.moving) then
    -- Its agent did not answer in time, and nobody has written that yet: a transfer that waited is over.
    redis.call('HDEL', attempt.key.contact, 'first', 'moving')
    attempt.record.first, attempt.record.moving = nil, nil
  end
  if arg.needs ~= '' then add(changes, 'needs', arg.needs) end
  if arg.only ~= '' then add(changes, 'only', arg.only) end
end

-- The same for an assignment by hand, where the request has requirements. A transfer to a named agent is over in any case.
local function require_by_hand(attempt, changes)
  local arg, replaces = attempt.arg, attempt.arg.by_hand[1].replaces ~= ''
  if attempt.record.state then
    -- 'moving': a transfer that waited, of an agent who did not answer in time.
    redis.call('HDEL', attempt.key.contact, 'only', 'moving')
    attempt.record.moving = nil
    if replaces then redis.call('HDEL', attempt.key.contact, 'needs') end
  end
  if replaces and arg.needs ~= '' then add(changes, 'needs', arg.needs) end
end

-- Lets the contact wait until a time. `changes` are further fields of its record and their values.
local function let_wait(attempt, created, waits_until, changes)
  local key, arg, record, contact = attempt.key, attempt.arg, attempt.record, attempt.contact
  local score = created - tonumber(arg.head_start_ms)
  note_caller(attempt, changes)
  if attempt.transfer then
    add(changes, 'moving', arg.release)
  else
    add(changes, 'pool', arg.pool_id, 'pool_uid', arg.pool_uid)
    record.pool = arg.pool_id
  end
  enqueue(contact, arg.pool_id, score, waits_until)
  note_facts(attempt, nil)
  local state, cause, reservation, agent = 'QUEUED', 'NOBODY_FREE', '', ''
  if attempt.transfer then
    state, cause, reservation, agent = 'ASSIGNED', 'TRANSFER_ASKED', record.reservation, record.agent
  end
  local event = step(contact, state, cause, reservation, agent, 'wait', '1', 'sealed', arg.sealed,
    'waits', digits(waits_until), 'head', arg.head_start_ms, 'wait_ms', arg.wait_ms, unpack(changes))
  local lasts = math.max(waits_until, tonumber(attempt.transfer and record['until'] or 0))
  redis.call('PEXPIREAT', key.contact, digits(lasts + contact.keep_ms))
  remember_answer(key, arg, '', '')
  return {'queued', digits(score), digits(waits_until), event, record.sequence}
end

-- Writes the contact's record where another agent is offered the contact and its own keeps it until the answer; see
-- write_contact.
local function write_offer(attempt, chosen, deadline, waits_until, changes)
  local key, arg, record, contact = attempt.key, attempt.arg, attempt.record, attempt.contact
  if attempt.someone_waits then dequeue(contact) end
  if waits_until then
    add(changes, 'head', arg.head_start_ms, 'wait_ms', arg.wait_ms)
    add(changes, 'wait', '1', 'sealed', arg.sealed, 'waits', digits(waits_until))
  elseif record.wait and not attempt.from_queue then
    -- It takes the place of a transfer that waited.
    restore_requirements(contact)
    unseal(contact)
  end
  local waits = waits_until or attempt.from_queue and tonumber(record.waits) or 0
  if record.moving then redis.call('HDEL', key.contact, 'moving') end
  local event = append(key.load, arg.events_kept, 'hold', chosen.id, arg.reservation_id, arg.channel,
    digits(chosen.cost), digits(deadline), digits(attempt.now))
  redis.call('HSET', key.reservation, 'takes_over', table.concat({record.reservation, record.agent, record.pool}, '|'),
    'pool_uid', arg.pool_uid)
  step(contact, 'ASSIGNED', 'TRANSFER_OFFERED', arg.reservation_id, chosen.id, 'offered', arg.reservation_id,
    unpack(changes))
  local lasts = math.max(deadline, waits, tonumber(record['until']))
  redis.call('PEXPIREAT', key.contact, digits(lasts + contact.keep_ms))
  return event
end

-- Writes the contact's record for a reservation until a deadline, beside `changes`. `waits_until`: until when a new
-- contact may wait if the offer comes to nothing; nil: it may not, or it waits already.
local function write_contact(attempt, chosen, deadline, waits_until, changes)
  local key, arg, record, contact = attempt.key, attempt.arg, attempt.record, attempt.contact
  local accepted, lasts = arg.state == 'ACCEPTED', deadline
  if attempt.someone_waits then dequeue(contact) end
  -- Whether the agent has still to answer: until then a contact that may wait keeps its text.
  local first = attempt.answers_first
  if first then add(changes, 'first', '1') elseif record.first then redis.call('HDEL', key.contact, 'first') end
  if waits_until then add(changes, 'head', arg.head_start_ms, 'wait_ms', arg.wait_ms) end
  local assigned = arg.kind == 'assign'
  if accepted or not (waits_until or attempt.from_queue or (assigned and record.wait)) then
    if record.wait then unseal(contact, first) end
    if first and (waits_until or (assigned and arg.sealed ~= '')) then add(changes, 'sealed', arg.sealed) end
  elseif waits_until then
    add(changes, 'wait', '1', 'sealed', arg.sealed, 'waits', digits(waits_until))
    lasts = math.max(deadline, waits_until)
  else
    lasts = math.max(deadline, tonumber(record.waits))
    if assigned and arg.sealed ~= '' then add(changes, 'sealed', arg.sealed) end
  end
  if record.moving then redis.call('HDEL', key.contact, 'moving') end
  if accepted and arg.idle_ms ~= '0' then
    local idle = digits(attempt.now + tonumber(arg.idle_ms))
    redis.call('ZADD', key.timers, idle, 'idle|' .. arg.reservation_id)
    note_due(key.life, idle)
  end
  local event = append(key.load, arg.events_kept, 'hold', chosen.id, arg.reservation_id, arg.channel,
    digits(chosen.cost), digits(deadline), digits(attempt.now))
  record.pool = arg.pool_id
  local cause = assigned and arg.by_hand[1].cause or attempt.transfer and 'TRANSFERRED' or accepted and 'ACCEPTED' or 'OFFERED'
  step(contact, accepted and 'ASSIGNED' or 'RESERVED', cause, arg.reservation_id, chosen.id,
    'reservation', arg.reservation_id, 'agent', chosen.id, 'agent_uid', chosen.uid, 'until', digits(deadline),
    'pool', arg.pool_id, 'pool_uid', arg.pool_uid, unpack(changes))
  redis.call('PEXPIREAT', key.contact, digits(lasts + contact.keep_ms))
  return event
end

-- Holds capacity of the chosen candidate and writes the reservation, the decision and the contact.
local function hold(attempt, chosen, waits_until, changes)
  local key, arg, now, keep_ms = attempt.key, attempt.arg, attempt.now, attempt.contact.keep_ms
  local fence = digits(math.max(chosen.fence + 1, attempt.micros))
  local lasts_until = now + tonumber(arg.hold_ms)
  local deadline = arg.state == 'ACCEPTED' and first_deadline(now, arg.first_ms, lasts_until) or lasts_until
  local at, cost = digits(deadline), digits(chosen.cost)
  redis.call('HSET', chosen.agent, 'fence', fence)
  -- Nothing else clears away a hold that lapsed so long ago that its reservation is forgotten.
  redis.call('ZREMRANGEBYSCORE', chosen.holds, '-inf', digits(now - keep_ms))
  redis.call('ZADD', chosen.holds, at, hold_member(arg.reservation_id, arg.channel, cost))
  redis.call('HSET', key.reservation,
    'state', arg.state, 'agent', chosen.id, 'agent_uid', chosen.uid, 'contact', arg.contact_id, 'decision', arg.decision_id, 'pool', arg.pool_id,
    'channel', arg.channel, 'cost', cost, 'fence', fence, 'basis', arg.basis, 'created', digits(now),
    'deadline', at, 'accepted', arg.state == 'ACCEPTED' and digits(now) or '0')
  attempt.answers_first = deadline < lasts_until
  if attempt.answers_first then redis.call('HSET', key.reservation, 'first', digits(lasts_until)) end
  redis.call('PEXPIREAT', key.reservation, digits(deadline + keep_ms))
  redis.call('ZADD', key.due, at, 'reservation|' .. arg.reservation_id)
  note_due(key.life, at)
  count_offer(attempt, at)
  remember_answer(key, arg, arg.reservation_id, arg.decision_id)
  redis.call('HSET', key.decision, 'record', arg.decision_record, 'agent', chosen.id, 'agent_uid', chosen.uid,
    'reservation', arg.reservation_id, 'contact', arg.contact_id, 'pool', arg.pool_id, 'pool_uid', arg.pool_uid,
    'created', digits(now), 'seen', table.concat(attempt.seen, ';'))
  redis.call('PEXPIRE', key.decision, arg.decision_ms)
  if arg.compared ~= '' then
    redis.call('HSET', key.decision, 'compared', arg.compared)
    redis.call('HSET', key.reservation, 'compared', arg.compared)
  end
  if arg.customer_digest ~= '' then redis.call('HSET', key.decision, 'customer', arg.customer_digest) end
  if arg.kind == 'assign' then note_by_hand(attempt, chosen) end
  note_facts(attempt, chosen)
  local event
  if attempt.keeps_agent then
    event = write_offer(attempt, chosen, deadline, waits_until, changes)
  else
    event = write_contact(attempt, chosen, deadline, waits_until, changes)
  end
  local sequence = attempt.record.sequence
  -- Only now that the new capacity is held is the old one freed.
  if attempt.transfer then hand_over(attempt) end
  if attempt.withdraws then withdraw_offer(attempt) end
  return {'held', chosen.id, fence, cost, digits(now), at, event, chosen.uid, chosen.over and '1' or '',
    table.concat(attempt.seen, ';'), sequence}
end

-- Returns when a new contact begins: now. After a step back of the clock, contacts that began before it wait with later
-- times: then just after the last of them, so that it does not overtake them.
local function new_age(attempt)
  local now = attempt.now
  if not attempt.someone_waits then return now end
  local last = redis.call('ZRANGE', attempt.key.queue, -1, -1, 'WITHSCORES')
  local score = tonumber(last[2])
  return score and score > now and score + 1 or now
end

-- Returns from when on a contact's wait counts: from its beginning, or from now where it comes from an agent.
local function wait_begins(attempt, created)
  local record = attempt.record
  local returned = record.state and not record.wait and record.state ~= 'QUARANTINED'
  return (attempt.transfer or returned) and attempt.now or math.min(created, attempt.now)
end

-- Begins a contact that was not known before, or that is routed again: then its customer stays where none is given.
local function begin(attempt, created)
  local key, arg = attempt.key, attempt.arg
  local customer = arg.customer ~= '' and arg.customer or attempt.customer or ''
  redis.call('ZADD', key.contacts, digits(created), arg.contact_id)
  attempt.record.created = digits(created)
  local changes = {'channel', arg.channel, 'customer', customer, 'created', digits(created)}
  note_caller(attempt, changes)
  if arg.arm ~= '' and not attempt.record.state then
    add(changes, 'arm', arg.arm)
    attempt.record.arm = arg.arm
  end
  return changes
end

-- Excludes the agent that the contact comes from: who hands it on, or whose offer lapsed.
local function exclude_previous(attempt, changes)
  local previous = attempt.previous_agent
  if not previous or attempt.keeps_agent then return end
  add(changes, 'x:' .. previous, '0', 'u:' .. previous, attempt.previous_uid or '')
end

-- Assigns the contact to the one agent of the call, by hand.
local function assign(attempt)
  local chosen, refused = choose_by_hand(attempt)
  if not chosen then return refused end
  local used_up = check_quotas(attempt, chosen)
  if used_up then return used_up end
  local changes = attempt.record.state and {} or begin(attempt, new_age(attempt))
  require_by_hand(attempt, changes)
  exclude_previous(attempt, changes)
  return hold(attempt, chosen, nil, changes)
end

-- Returns whether the caller reaches the contact: one that is known, by its own pool; a new one, by that of the call.
local function reaches_contact(key, arg)
  return arg.scope == '' or in_scope(arg.scope, redis.call('HGET', key.contact, 'pool') or arg.pool_id)
end

local function reserve(key, arg)
  if not reaches_contact(key, arg) then return {'foreign'} end
  local earlier = earlier_answer(key, arg)
  if earlier then return earlier end
  local attempt = open_attempt(key, arg)
  local refused = check_contact(attempt)
  if refused then return refused end
  if arg.kind == 'new' and attempt.record.state and (attempt.record.arm or '') ~= arg.arm then
    -- The arm of a contact is drawn once: the caller, who has drawn it again at the share of now, ranks by its own.
    return {'arm', attempt.record.arm or ''}
  end

  attempt.someone_waits = redis.call('EXISTS', key.waiting) == 1
  if arg.kind == 'assign' then return assign(attempt) end
  local free, best, kept_back = free_candidates(attempt)
  local created, waits_until = tonumber(attempt.record.created or new_age(attempt)), nil
  if not attempt.from_queue and arg.wait_ms ~= '' then
    waits_until = wait_begins(attempt, created) + tonumber(arg.wait_ms)
  end
  -- Where a candidate is kept for the contacts that wait, this one waits beside them: in a moment it is ranked with
  -- them, and gets an agent whom they do not need.
  local waits = waits_until and (arg.waits_if == 'full' or (arg.waits_if == 'kept' and kept_back))
  if not best and not waits then
    return {'full', last_event(key.load), last_event(key.roster), table.concat(attempt.refused, '|')}
  end

  if not best and arg.pool_uid ~= '' and redis.call('HGET', key.pool, 'uid') ~= arg.pool_uid then
    -- The pool was removed since the caller read it; nobody would serve the contact there, or those of a new pool would.
    return {'no_pool'}
  end

  local used_up = check_quotas(attempt, best)
  if used_up then return used_up end

  local changes = arg.kind == 'new' and begin(attempt, created) or {}
  -- The contact of an offer that its agent awaits goes on by what it required before, where the offer comes to nothing.
  if arg.kind == 'new' or (arg.kind == 'transfer' and (waits_until or not attempt.keeps_agent)) then
    put_requirements(attempt, changes, attempt.transfer and (attempt.keeps_agent or not best))
  end
  exclude_previous(attempt, changes)
  if not best then return let_wait(attempt, created, waits_until, changes) end
  return hold(attempt, choose(free, best, tonumber(arg.tolerance)), waits_until, changes)
end
