-- Removes a pool that no agent is in.
-- KEYS  pool, pools, roster, members
-- ARGV  1 pool id  2 expected version ('': any)  3 events kept
-- Returns {'ok'}, {'gone'}, {'mismatch', version} or {'used', agents}
local function delete_pool(keys, args)
  local now = clock()
  local version = redis.call('HGET', keys[1], 'version')
  if not version then return {'gone'} end
  if args[2] ~= '' and args[2] ~= version then return {'mismatch', version} end
  local agents = redis.call('SCARD', keys[4])
  if agents > 0 then return {'used', digits(agents)} end
  redis.call('ZREM', keys[2], args[1])
  redis.call('DEL', keys[1], keys[4])
  tell(keys[3], args[3], 'pool', args[1], '0', digits(now))
  return {'ok'}
end
