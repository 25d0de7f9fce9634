-- Removes an agent who holds nothing.
-- Takes and answers: verbs.DeleteAgent.
local function delete_agent(key, arg)
  local now = clock()
  local version = redis.call('HGET', key.agent, 'version')
  if not version then return redis.call('GET', key.once) == arg.write_id and {'ok'} or {'gone'} end
  if arg.expected ~= '' and arg.expected ~= version then return {'mismatch', version} end
  local holds = redis.call('ZCOUNT', key.holds, '(' .. digits(now), '+inf')
  if holds > 0 then return {'holds', digits(holds)} end
  redis.call('ZREM', key.agents, arg.agent_id)
  for i = 1, #arg.left do redis.call('SREM', key.left[i].members, arg.agent_id) end
  redis.call('DEL', key.agent, key.holds)
  redis.call('ZREM', key.timers, 'beat|' .. arg.agent_id)
  redis.call('SET', key.once, arg.write_id, 'PX', 60000)
  for i = 1, #arg.models do redis.call('DEL', key.models[i].vectors) end
  append(key.roster, arg.events_kept, 'agent', arg.agent_id, '0', digits(now))
  say_change(key.audit, arg.said)
  return {'ok'}
end
