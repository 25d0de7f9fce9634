-- Accepts an offer. From here on nothing is kept of what the customer wrote; where the agent has to answer in time, from
-- the first answer on.
-- Takes and answers: verbs.Accept.

-- Takes the contact of a transfer over from the agent who has kept it until now. Returns the refusal where that agent's
-- conversation has ended meanwhile.
local function take_over(reservation)
  local key, arg, contact = reservation.key, reservation.arg, reservation.contact
  local record = contact.record
  if not is_handed_on(reservation) or #arg.handed_on == 0 or arg.handed_on[1].id ~= record.reservation then
    return {'state', 'CANCELED'}
  end
  if tonumber(record['until']) <= reservation.now then return {'lapsed', 'EXPIRED'} end
  local uid = record.agent_uid or ''
  end_handed_on(contact, {
    id = arg.handed_on[1].id, reservation = key.handed_on[1].reservation, agent = key.handed_on[1].agent,
    holds = key.handed_on[1].holds, due = key.due, wrap_up_ms = tonumber(arg.handed_on[1].wrap_up_ms),
  })
  redis.call('HDEL', key.contact, 'offered', 'first')
  redis.call('HSET', key.contact, 'reservation', reservation.id, 'agent', reservation.agent,
    'agent_uid', reservation.agent_uid or '', 'pool', reservation.pool, 'pool_uid', reservation.pool_uid or '',
    'x:' .. record.agent, '0', 'u:' .. record.agent, uid)
  record.offered, record.first = nil, nil
  record.reservation, record.agent, record.pool = reservation.id, reservation.agent, reservation.pool
end

local function accept(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads == 'ACCEPTED' then return answer(reservation) end
  if reservation.reads ~= 'PENDING' then return refusal(reservation) end
  if reservation.takes_over then
    local refused = take_over(reservation)
    if refused then return refused end
  end
  local contact, lasts_until = reservation.contact, reservation.now + tonumber(arg.accepted_ms)
  local deadline = first_deadline(reservation.now, arg.first_ms, lasts_until)
  count_answered(reservation)
  redis.call('HSET', key.reservation, 'state', 'ACCEPTED', 'accepted', digits(reservation.now))
  local answers_first, more = deadline < lasts_until, {}
  if answers_first then
    redis.call('HSET', key.reservation, 'first', digits(lasts_until))
    more = {'first', '1'}
  else
    reset_counts(reservation, 'missed')
  end
  reset_counts(reservation, 'declined')
  if has_contact(reservation) and contact.record.wait then unseal(contact, answers_first) end
  extend(reservation, deadline)
  note_activity(reservation, tonumber(arg.idle_ms))
  if has_contact(reservation) then
    local cause = reservation.takes_over and 'TRANSFERRED' or 'ACCEPTED'
    step(contact, 'ASSIGNED', cause, reservation.id, reservation.agent, 'until', digits(deadline), unpack(more))
  end
  return answer(reservation)
end
