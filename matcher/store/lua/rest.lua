-- Stops counting a conversation in which nothing has happened for long enough. Any number of replicas may call it.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition
-- Returns {'rests'}, {'early'} where something has happened since, or {'done'} where another was first or it has ended
local function rest(keys, args)
  local it, wrong = opened(keys, args)
  local member = 'idle|' .. args[1]
  local at = redis.call('ZSCORE', keys[10], member)
  if not at then return {'done'} end
  if not wrong and it.reads == 'ACCEPTED' and tonumber(at) > it.now then return {'early'} end
  redis.call('ZREM', keys[10], member)
  if wrong or it.reads ~= 'ACCEPTED' or it.counts == '0' then return {'done'} end
  count(keys, it, '0')
  earmark(keys[3], keys[8], it.now)
  if has_contact(it) then step(it.place, 'ASSIGNED', 'IDLE', it.reservation, it.agent) end
  return {'rests'}
end
