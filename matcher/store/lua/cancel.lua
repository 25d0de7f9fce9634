-- Frees the capacity of a reservation without a conversation.
-- Takes and answers: verbs.Cancel.
local function cancel(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads == 'CANCELED' then return answer(reservation) end
  if reservation.reads ~= 'PENDING' and reservation.reads ~= 'ACCEPTED' then return refusal(reservation) end
  release(reservation, 'CANCELED', nil)
  if has_contact(reservation) then
    finish(reservation.contact, 'CANCELED', 'CANCELED', reservation.id, reservation.agent)
  end
  return answer(reservation)
end
