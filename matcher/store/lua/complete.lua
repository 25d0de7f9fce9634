-- Ends a conversation; its capacity stays held for the wrap-up. A conversation that was completed or transferred before
-- stays as it is.
-- Takes and answers: verbs.Complete.

-- Takes a report of the customer's experience: '1' is good, '0' is not, '' is no report. The first one counts.
local function take_report(reservation, good)
  if good == '' or reservation.report then return end
  redis.call('HSET', reservation.key.reservation, 'report', good .. '|' .. digits(reservation.now))
end

local function complete(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  local reads, wrap_up_ms = reservation.reads, tonumber(arg.wrap_up_ms)
  if reads == 'ACCEPTED' then
    local offered = awaited_offer(reservation)
    if offered then return offered end
    if reservation.first then reset_counts(reservation, 'missed') end
    if has_contact(reservation) then
      finish(reservation.contact, 'CLOSED', 'COMPLETED', reservation.id, reservation.agent)
    end
    redis.call('HSET', key.reservation, 'write', arg.write_id)
    end_conversation(reservation, 'COMPLETED', wrap_up_ms, reservation.now, reservation.now)
  elseif reads ~= 'COMPLETED' and (reads ~= 'WRAPPING' or (reservation.ends or 'COMPLETED') ~= 'COMPLETED') then
    return refusal(reservation)
  elseif reads == 'WRAPPING' and arg.second_ends == '1' and reservation.write and reservation.write ~= arg.write_id then
    release(reservation, 'COMPLETED', reservation.now)
  end
  take_report(reservation, arg.good)
  return answer(reservation)
end
