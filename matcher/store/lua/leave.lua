-- Takes a contact out of the queue: the caller cancels it, or its wait is over.
-- Takes and answers: verbs.Leave.

-- The states in which a contact without an agent can be canceled; a RESERVED contact's offer has lapsed, and an ASSIGNED
-- contact's agent has not answered in time.
local LEAVES = {QUEUED = true, RETURNED = true, RESERVED = true, ASSIGNED = true}

-- Ends a contact that is kept aside.
local function end_quarantined(contact, state, cause)
  local key = contact.key
  redis.call('DEL', key.aside)
  redis.call('ZREM', key.timers, 'contact|' .. contact.id)
  finish(contact, state, cause, '', '')
  return {'left', state}
end

-- Ends a wait that is over. `live`: an agent is reserved or talks with the contact.
local function expire_wait(contact, live)
  local key, record = contact.key, contact.record
  local has_agent = record.state == 'RESERVED' or record.state == 'ASSIGNED'
  if record.state == 'QUARANTINED' then
    if tonumber(record.waits) > contact.now then return {'early'} end
    return end_quarantined(contact, 'EXPIRED', 'WAIT_EXPIRED')
  end
  if not record.queued_in then
    redis.call('ZREM', key.timers, 'contact|' .. contact.id)
    if has_agent or record.state == 'QUEUED' or record.state == 'RETURNED' then return {'held', record.reservation or ''} end
    return {'ended', record.state}
  end
  if tonumber(record.waits) > contact.now then return {'early'} end
  if live then
    -- A transfer that found no agent: the conversation goes on with the agent it has.
    dequeue(contact)
    restore_requirements(contact)
    unseal(contact)
    redis.call('HDEL', key.contact, 'x:' .. record.agent, 'u:' .. record.agent)
    step(contact, 'ASSIGNED', 'WAIT_EXPIRED', record.reservation, record.agent)
    return {'left', 'ASSIGNED'}
  end
  if has_agent and not record.first then
    finish(contact, 'EXPIRED', 'CONVERSATION_EXPIRED', record.reservation, record.agent)
  else
    finish(contact, 'EXPIRED', 'WAIT_EXPIRED', '', '')
  end
  return {'left', 'EXPIRED'}
end

local function leave(key, arg)
  local now, record = clock(), contact_record(key.contact)
  local contact = contact_of(key, arg, now, record)
  if record.state and not in_scope(arg.scope, record.pool) then return {'gone'} end
  if not record.state then
    local pool = dequeue(contact)
    if pool then
      append(key.load, arg.events_kept, 'step', contact.id, pool, '0', 'EXPIRED', 'WAIT_EXPIRED', '', '', '',
        digits(now))
    end
    redis.call('ZREM', key.timers, 'contact|' .. contact.id)
    redis.call('ZREM', key.contacts, contact.id)
    return {'gone'}
  end
  local live = (record.state == 'RESERVED' or record.state == 'ASSIGNED') and tonumber(record['until']) > now
  if arg.cause == 'WAIT_EXPIRED' then return expire_wait(contact, live) end
  if live then return {'held', record.reservation} end
  if record.state == 'ASSIGNED' and not record.first then return {'ended', 'EXPIRED'} end
  -- A call that the network repeats gets the answer of the first.
  if record.state == 'CANCELED' then return {'left', 'CANCELED'} end
  if record.state == 'QUARANTINED' then return end_quarantined(contact, 'CANCELED', arg.cause) end
  if not LEAVES[record.state] then return {'ended', record.state} end
  finish(contact, 'CANCELED', arg.cause, '', '')
  return {'left', 'CANCELED'}
end
