-- Accepts an offer. From here on nothing is kept of what the customer wrote; where the agent has to answer in time, from
-- the first answer on.
-- Takes and answers: verbs.Accept.
local function accept(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads == 'ACCEPTED' then return answer(reservation) end
  if reservation.reads ~= 'PENDING' then return refusal(reservation) end
  local contact, lasts_until = reservation.contact, reservation.now + tonumber(arg.accepted_ms)
  local deadline = first_deadline(reservation.now, arg.first_ms, lasts_until)
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
    step(contact, 'ASSIGNED', 'ACCEPTED', reservation.id, reservation.agent, 'until', digits(deadline), unpack(more))
  end
  return answer(reservation)
end
