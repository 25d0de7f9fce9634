-- Removes an agent who holds nothing.
-- KEYS  agent, agents, vectors, roster, lease, then the member sets of the agent's pools
-- ARGV  1 agent id  2 expected version ('': any)  3 events kept
-- Returns {'ok'}, {'gone'}, {'mismatch', version} or {'holds', how many}
local function delete_agent(keys, args)
  local now = clock()
  local version = redis.call('HGET', keys[1], 'version')
  if not version then return {'gone'} end
  if args[2] ~= '' and args[2] ~= version then return {'mismatch', version} end
  local holds = redis.call('ZCOUNT', keys[5], '(' .. digits(now), '+inf')
  if holds > 0 then return {'holds', digits(holds)} end
  redis.call('ZREM', keys[2], args[1])
  for i = 6, #keys do redis.call('SREM', keys[i], args[1]) end
  redis.call('DEL', keys[1], keys[3], keys[5])
  tell(keys[4], args[3], 'agent', args[1], '0', digits(now))
  return {'ok'}
end
