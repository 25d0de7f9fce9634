-- Withdraws the offer to an agent who has gone, and the conversation of an agent who is removed. The contact goes back as
-- after a decline.
-- Takes and answers: verbs.Withdraw.
local function withdraw(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads == 'CANCELED' then return answer(reservation) end
  local removed = arg.cause == 'AGENT_REMOVED'
  if reservation.reads ~= 'PENDING' and not (removed and reservation.reads == 'ACCEPTED') then
    return refusal(reservation)
  end
  local offered = awaited_offer(reservation)
  if offered then return offered end
  release(reservation, 'CANCELED', nil)
  -- Excluded until now, that is not at all: once the agent is back the contact may come to them.
  if has_contact(reservation) then
    put_back(reservation, arg.cause, removed and '0' or digits(reservation.now))
  end
  return answer(reservation)
end
