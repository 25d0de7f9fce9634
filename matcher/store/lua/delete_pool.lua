-- Removes a pool that no agent is in and where nobody waits.
-- KEYS  pool, pools, roster, members, waiting, once
-- ARGV  1 pool id  2 expected version ('': any)  3 events kept
--       4 write id: a call that the network repeats is answered as the first was
-- Returns {'ok'}, {'gone'}, {'mismatch', version}, {'used', agents} or {'waits', contacts}
local function delete_pool(keys, args)
  local now = clock()
  local version = redis.call('HGET', keys[1], 'version')
  if not version then return redis.call('GET', keys[6]) == args[4] and {'ok'} or {'gone'} end
  if args[2] ~= '' and args[2] ~= version then return {'mismatch', version} end
  local agents = redis.call('SCARD', keys[4])
  if agents > 0 then return {'used', digits(agents)} end
  local waits = redis.call('HGET', keys[5], args[1])
  if waits and tonumber(waits) > 0 then return {'waits', waits} end
  redis.call('ZREM', keys[2], args[1])
  redis.call('DEL', keys[1], keys[4])
  redis.call('SET', keys[6], args[4], 'PX', 60000)
  tell(keys[3], args[3], 'pool', args[1], '0', digits(now))
  return {'ok'}
end
