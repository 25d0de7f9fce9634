-- Ends a wrap-up before its time.
-- Takes and answers: verbs.EndWrapUp.
local function end_wrap_up(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads == 'WRAPPING' then
    release(reservation, reservation.ends or 'COMPLETED', reservation.now)
  elseif reservation.reads ~= 'COMPLETED' and not reservation.ends then
    return refusal(reservation)
  end
  return answer(reservation)
end
