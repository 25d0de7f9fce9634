-- Writes the consequences of a deadline that has passed. Any number of replicas may call it: the call that removes the
-- deadline from `due` writes them.
-- Takes and answers: verbs.Expire.
local function expire(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  local member, state = 'reservation|' .. arg.reservation_id, reservation.state
  if wrong or not HOLDING[state] then
    redis.call('ZREM', key.due, member)
    return {'done'}
  end
  if reservation.reads == state then return {'early'} end
  if redis.call('ZREM', key.due, member) == 0 then return {'done'} end
  local unanswered = state == 'PENDING' and 'OFFER_EXPIRED'
    or state == 'ACCEPTED' and reservation.first and 'NO_FIRST_RESPONSE'
  local idle_since = unanswered and reservation.now or state == 'WRAPPING' and tonumber(reservation.deadline)
  release(reservation, reservation.reads, idle_since or nil)
  local contact, away = reservation.contact, ''
  if unanswered then
    if has_contact(reservation) then put_back(reservation, unanswered, '0') end
    if redis.call('EXISTS', key.agent) == 1 then
      local missed, most = redis.call('HINCRBY', key.agent, 'missed', 1), tonumber(arg.max_missed)
      local reason = 'missed ' .. missed .. ' offers in a row'
      if most > 0 and missed >= most and set_away(key.agent, key.roster, arg.events_kept, reservation.agent, reason,
          reservation.now, reservation.micros) then
        away = 'away'
      end
    end
  elseif state == 'ACCEPTED' and has_contact(reservation) then
    finish(contact, 'EXPIRED', 'CONVERSATION_EXPIRED', reservation.id, reservation.agent)
  end
  return {'lapsed', state, away}
end
