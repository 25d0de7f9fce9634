-- Removes an agent who holds nothing.
-- KEYS  agent, agents, roster, lease, then the member sets of the agent's pools, then the vectors by each model
-- ARGV  1 agent id  2 expected version ('': any)  3 events kept  4 how many member sets
-- Returns {'ok'}, {'gone'}, {'mismatch', version} or {'holds', how many}
local function delete_agent(keys, args)
  local now = clock()
  local version = redis.call('HGET', keys[1], 'version')
  if not version then return {'gone'} end
  if args[2] ~= '' and args[2] ~= version then return {'mismatch', version} end
  local holds = redis.call('ZCOUNT', keys[4], '(' .. digits(now), '+inf')
  if holds > 0 then return {'holds', digits(holds)} end
  local pools = tonumber(args[4])
  redis.call('ZREM', keys[2], args[1])
  for i = 5, 4 + pools do redis.call('SREM', keys[i], args[1]) end
  redis.call('DEL', keys[1], keys[4])
  for i = 5 + pools, #keys do redis.call('DEL', keys[i]) end
  tell(keys[3], args[3], 'agent', args[1], '0', digits(now))
  return {'ok'}
end
