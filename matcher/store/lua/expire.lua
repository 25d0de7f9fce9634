-- Writes what follows from a passed deadline. Any number of replicas may call it: the removal from `due` decides who.
-- KEYS  reservation, contact, agent, lease, due, load
-- ARGV  1 reservation id  2 contact id  3 agent id  4 '0'  5 keep ms  6 events kept
-- Returns {'lapsed', state before}, {'early'} where the deadline has moved on, or {'done'} where another was first
local function expire(keys, args)
  local it, wrong = opened(keys, args)
  local member = 'reservation|' .. args[1]
  if wrong or not HOLDING[it.state] then
    redis.call('ZREM', keys[5], member)
    return {'done'}
  end
  if it.reads == it.state then return {'early'} end
  if redis.call('ZREM', keys[5], member) == 0 then return {'done'} end
  release(keys, it, it.reads, it.state == 'WRAPPING' and tonumber(it.deadline) or nil)
  if it.state == 'PENDING' then
    change_contact(keys, it, 'QUEUED', 'x:' .. it.agent, '0')
  elseif it.state == 'ACCEPTED' then
    change_contact(keys, it, 'EXPIRED')
  end
  return {'lapsed', it.state}
end
