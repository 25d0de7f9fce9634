-- Accepts an offer. From here on nothing is kept of what the customer wrote.
-- Takes and answers: verbs.Accept.
local function accept(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads == 'ACCEPTED' then return answer(reservation) end
  if reservation.reads ~= 'PENDING' then return refusal(reservation) end
  local contact, deadline = reservation.contact, reservation.now + tonumber(arg.accepted_ms)
  redis.call('HSET', key.reservation, 'state', 'ACCEPTED', 'accepted', digits(reservation.now))
  if has_contact(reservation) and contact.record.wait then unseal(contact) end
  extend(reservation, deadline)
  note_activity(reservation, tonumber(arg.idle_ms))
  reset_counts(reservation, 'missed', 'declined')
  if has_contact(reservation) then
    step(contact, 'ASSIGNED', 'ACCEPTED', reservation.id, reservation.agent, 'until', digits(deadline))
  end
  return answer(reservation)
end
