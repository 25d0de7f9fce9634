-- Ends a conversation. Its capacity stays held for the wrap-up, which a second call ends.
-- Takes and answers: verbs.Complete.
local function complete(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.write == arg.write_id or reservation.reads == 'COMPLETED' then return answer(reservation) end
  if reservation.reads == 'ACCEPTED' then
    if reservation.first then reset_missed(reservation) end
    if has_contact(reservation) then
      finish(reservation.contact, 'CLOSED', 'COMPLETED', reservation.id, reservation.agent)
    end
    redis.call('HSET', key.reservation, 'write', arg.write_id)
    local wrap_up_ms = tonumber(arg.wrap_up_ms)
    if wrap_up_ms > 0 then
      redis.call('HSET', key.reservation, 'state', 'WRAPPING')
      redis.call('ZREM', key.timers, 'idle|' .. reservation.id)
      reservation.deadline = digits(reservation.now + wrap_up_ms)
      -- The wrap-up is work, also after a conversation that was idle.
      count(reservation, reservation.cost)
    else
      release(reservation, 'COMPLETED', reservation.now)
    end
    return answer(reservation)
  end
  if reservation.reads ~= 'WRAPPING' then return refusal(reservation) end
  release(reservation, 'COMPLETED', reservation.now)
  return answer(reservation)
end
