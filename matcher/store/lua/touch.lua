-- Notes activity in a conversation: an idle one counts again, whatever else the agent holds by now.
-- Takes and answers: verbs.Touch.
local function touch(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads ~= 'ACCEPTED' then return refusal(reservation) end
  note_activity(reservation, tonumber(arg.idle_ms))
  return answer(reservation)
end
