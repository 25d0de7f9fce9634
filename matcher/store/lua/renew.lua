-- Moves the deadline of an accepted reservation.
-- Takes and answers: verbs.Renew.
local function renew(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads ~= 'ACCEPTED' then return refusal(reservation) end
  if reservation.first then note_first_answer(reservation) end
  local deadline = reservation.now + tonumber(arg.duration_ms)
  reservation.deadline = digits(deadline)
  extend(reservation, deadline)
  note_activity(reservation, tonumber(arg.idle_ms))
  if has_contact(reservation) then redis.call('HSET', key.contact, 'until', digits(deadline)) end
  return answer(reservation)
end
