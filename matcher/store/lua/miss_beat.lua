-- Sets an agent AWAY whose desk sends no heartbeat. Any number of replicas may call it.
-- Takes and answers: verbs.MissBeat.
local function miss_beat(key, arg)
  local now, micros = clock()
  local before = fields(key.agent, 'status', 'beat')
  if before.beat and tonumber(before.beat) > now then return {'early'} end
  redis.call('ZREM', key.timers, 'beat|' .. arg.agent_id)
  if not before.beat then return {'done'} end
  if not set_away(key.agent, key.roster, arg.events_kept, arg.agent_id, 'no heartbeat', now, micros,
      'silent', before.status) then
    return {'done'}
  end
  return {'away'}
end
