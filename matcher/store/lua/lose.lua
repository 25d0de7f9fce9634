-- Whether a contact that has gone on was never told of the reservation by a state, nor that it is lost: the store lost
-- the reservation, and the contact went on from an earlier step. Of steps that the history does not reach nobody knows.
local function never_had(record, arg)
  if arg.reservation_id == '' then return false end
  if record.state ~= 'QUEUED' and record.state ~= 'RESERVED' and record.state ~= 'ASSIGNED' then return false end
  local first
  local entry = '(%d+)|([^|]*)|([^|]*)|([^|]*)|[^|]*|%d+;'
  for sequence, state, cause, reservation in string.gmatch(record.history or '', entry) do
    first = first or tonumber(sequence)
    if reservation == arg.reservation_id and (state == arg.state or cause == 'LOST') then return false end
  end
  return first ~= nil and first <= tonumber(arg.sequence)
end

-- Tells that the store has lost what it had acknowledged of a contact: its last steps, or all of it. A contact that the store
-- does not know any more is RETURNED. Any number of replicas may call it: the first tells.
-- Takes and answers: verbs.Lose.
local function lose(key, arg)
  local now, record = clock(), contact_record(key.contact)
  local contact, known = contact_of(key, arg, now, record), tonumber(arg.sequence)
  if record.state then
    local last = tonumber(record.sequence or 0)
    if last >= known and not never_had(record, arg) then return {'kept'} end
    -- The numbers of the lost steps are not given again: watchers have seen them.
    record.sequence = digits(math.max(last, known))
    step(contact, record.state, 'LOST', arg.reservation_id, arg.agent_id)
    return {'told', record.state}
  end
  record.created, record.pool, record.sequence = digits(now), arg.pool_id, arg.sequence
  local forgotten = digits(now + contact.keep_ms + 1000)
  redis.call('ZADD', key.contacts, digits(now), contact.id)
  redis.call('ZADD', key.timers, forgotten, 'contact|' .. contact.id)
  note_due(key.life, forgotten)
  step(contact, 'RETURNED', 'LOST', arg.reservation_id, arg.agent_id, 'created', digits(now), 'pool', arg.pool_id)
  redis.call('PEXPIREAT', key.contact, digits(now + contact.keep_ms))
  return {'told', 'RETURNED'}
end
