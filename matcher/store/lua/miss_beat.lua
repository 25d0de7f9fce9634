-- Sends an agent away whose desk is silent. Any number of replicas may call it.
-- KEYS  agent, timers, roster
-- ARGV  1 agent id  2 events kept
-- Returns {'away'}, {'early'} where a sign has come since, or {'done'} where there is nothing to do
local function miss_beat(keys, args)
  local now, micros = clock()
  local was = fields(keys[1], 'status', 'beat')
  if was.beat and tonumber(was.beat) > now then return {'early'} end
  redis.call('ZREM', keys[2], 'beat|' .. args[1])
  if not was.beat then return {'done'} end
  if not send_away(keys[1], keys[3], args[2], args[1], 'no heartbeat', now, micros, 'silent', was.status) then
    return {'done'}
  end
  return {'away'}
end
