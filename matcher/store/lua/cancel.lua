-- Ends an offer or a conversation, and its contact; after a conversation the capacity stays held for the wrap-up. The offer
-- of a transfer whose contact its agent keeps ends alone.
-- Takes and answers: verbs.Cancel.
local function cancel(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  local reads = reservation.reads
  if reads == 'CANCELED' or (reads == 'WRAPPING' and reservation.ends == 'CANCELED') then return answer(reservation) end
  if reads ~= 'PENDING' and reads ~= 'ACCEPTED' then return refusal(reservation) end
  local offered = awaited_offer(reservation)
  if offered then return offered end
  if is_handed_on(reservation) then
    put_back(reservation, 'TRANSFER_WITHDRAWN', digits(reservation.now))
  elseif has_contact(reservation) then
    finish(reservation.contact, 'CANCELED', 'CANCELED', reservation.id, reservation.agent)
  end
  local wrap_up_ms = reads == 'ACCEPTED' and tonumber(arg.wrap_up_ms) or 0
  end_conversation(reservation, 'CANCELED', wrap_up_ms, reservation.now, nil)
  return answer(reservation)
end
