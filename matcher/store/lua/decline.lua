-- Declines an offer. A contact that may wait is in the queue again at its old age, and this agent is excluded. An agent
-- who declines too many offers in a row is set AWAY.
-- Takes and answers: verbs.Decline.

-- Returns whether this decline set the agent AWAY, and the agent still is: a process that repeats the decline, because
-- the answer was lost, withdraws the agent's other offers then.
local function is_still_away(key)
  if redis.call('HEXISTS', key.reservation, 'away') == 0 then return false end
  local now = fields(key.agent, 'status', 'reason')
  return now.status == 'AWAY' and now.reason ~= nil and string.sub(now.reason, 1, 9) == 'declined '
end

local function decline(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  if reservation.reads == 'DECLINED' then return answer(reservation, is_still_away(key) and 'still' or '') end
  if reservation.reads ~= 'PENDING' then return refusal(reservation) end
  redis.call('HSET', key.reservation, 'reason', arg.reason)
  release(reservation, 'DECLINED', reservation.now)
  reset_counts(reservation, 'missed')
  local excluded_until = arg.retry_after_ms == '' and '0' or digits(reservation.now + tonumber(arg.retry_after_ms))
  if has_contact(reservation) then
    put_back(reservation, 'DECLINED', excluded_until)
  end
  local most = tonumber(arg.max_declined)
  local away = most > 0 and count_lost_offer(reservation, 'declined', most) or ''
  if away ~= '' then redis.call('HSET', key.reservation, 'away', '1') end
  return answer(reservation, away)
end
