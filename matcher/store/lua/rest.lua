-- Stops counting an idle conversation. Any number of replicas may call it.
-- Takes and answers: verbs.Rest.
local function rest(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  local member = 'idle|' .. arg.reservation_id
  local at = redis.call('ZSCORE', key.timers, member)
  if not at then return {'done'} end
  if not wrong and reservation.reads == 'ACCEPTED' and tonumber(at) > reservation.now then return {'early'} end
  redis.call('ZREM', key.timers, member)
  if wrong or reservation.reads ~= 'ACCEPTED' or reservation.counts == '0' then return {'done'} end
  count(reservation, '0')
  earmark(key.agent, key.waiting, reservation.now)
  if has_contact(reservation) then step(reservation.contact, 'ASSIGNED', 'IDLE', reservation.id, reservation.agent) end
  return {'rests'}
end
