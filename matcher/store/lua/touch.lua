-- Notes activity in a conversation: an idle one counts again, whatever else the agent holds by now. The first such call is
-- the agent's first answer.
-- Takes and answers: verbs.Touch.
local function touch(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads ~= 'ACCEPTED' then return refusal(reservation) end
  if reservation.first then note_first_answer(reservation) end
  note_activity(reservation, tonumber(arg.idle_ms))
  return answer(reservation)
end
