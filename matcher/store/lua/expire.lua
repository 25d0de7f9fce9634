-- Writes the consequences of a deadline that has passed. Any number of replicas may call it: the call that removes the
-- deadline from `due` writes them.
-- Takes and answers: verbs.Expire.

-- Ends a conversation whose deadline has passed. Where another contact has the capacity by now, or the agent was removed,
-- there is no wrap-up.
local function end_expired(reservation)
  local key, wrap_up_ms = reservation.key, tonumber(reservation.arg.wrap_up_ms)
  if has_contact(reservation) then
    finish(reservation.contact, 'EXPIRED', 'CONVERSATION_EXPIRED', reservation.id, reservation.agent)
  end
  if wrap_up_ms > 0 then
    local record = fields(key.agent, 'total', 'channels', 'uid')
    local is_there = record.total and is_same(reservation.agent_uid, record)
    if not is_there or (reservation.counts ~= '0'
        and not free_capacity(record, key.holds, reservation.now, reservation.channel)) then
      wrap_up_ms = 0
    end
  end
  end_conversation(reservation, 'EXPIRED', wrap_up_ms, tonumber(reservation.deadline), nil)
end

local function expire(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  local member, state = 'reservation|' .. arg.reservation_id, reservation.state
  if wrong or not HOLDING[state] then
    redis.call('ZREM', key.due, member)
    return {'done'}
  end
  if reservation.reads == state then return {'early'} end
  local offered = awaited_offer(reservation)
  if offered then return offered end
  if redis.call('ZREM', key.due, member) == 0 then return {'done'} end
  local unanswered = state == 'PENDING' and 'OFFER_EXPIRED'
    or state == 'ACCEPTED' and reservation.first and 'NO_FIRST_RESPONSE'
  local away = ''
  if state == 'ACCEPTED' and not unanswered then
    end_expired(reservation)
  else
    release(reservation, reservation.reads, unanswered and reservation.now or tonumber(reservation.deadline))
  end
  if unanswered then
    if has_contact(reservation) then put_back(reservation, unanswered, '0') end
    away = count_lost_offer(reservation, 'missed', tonumber(arg.max_missed))
  end
  return {'lapsed', state, away}
end
