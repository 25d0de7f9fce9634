-- Removes an agent who holds nothing.
-- KEYS  agent, agents, roster, lease, once, timers, then the member sets of the agent's pools, then the vectors by each model
-- ARGV  1 agent id  2 expected version ('': any)  3 events kept  4 how many member sets
--       5 write id: a call that the network repeats is answered as the first was
-- Returns {'ok'}, {'gone'}, {'mismatch', version} or {'holds', how many}
local function delete_agent(keys, args)
  local now = clock()
  local version = redis.call('HGET', keys[1], 'version')
  if not version then return redis.call('GET', keys[5]) == args[5] and {'ok'} or {'gone'} end
  if args[2] ~= '' and args[2] ~= version then return {'mismatch', version} end
  local holds = redis.call('ZCOUNT', keys[4], '(' .. digits(now), '+inf')
  if holds > 0 then return {'holds', digits(holds)} end
  local pools = tonumber(args[4])
  redis.call('ZREM', keys[2], args[1])
  for i = 7, 6 + pools do redis.call('SREM', keys[i], args[1]) end
  redis.call('DEL', keys[1], keys[4])
  redis.call('ZREM', keys[6], 'beat|' .. args[1])
  redis.call('SET', keys[5], args[5], 'PX', 60000)
  for i = 7 + pools, #keys do redis.call('DEL', keys[i]) end
  tell(keys[3], args[3], 'agent', args[1], '0', digits(now))
  return {'ok'}
end
