-- Writes a pool's policy.
-- KEYS  pool, pools, roster
-- ARGV  1 pool id  2 expected version ('': any; 0: must not exist)  3 policy  4 write id  5 events kept
-- Returns {'ok', fields}, {'exists'}, {'gone'} or {'mismatch', version}
local function put_pool(keys, args)
  local now, micros = clock()
  local was = fields(keys[1], 'version', 'write')
  if was.write == args[4] then return {'ok', redis.call('HGETALL', keys[1])} end
  if args[2] ~= '' then
    if args[2] == '0' and was.version then return {'exists'} end
    if args[2] ~= '0' and not was.version then return {'gone'} end
    if args[2] ~= '0' and was.version ~= args[2] then return {'mismatch', was.version} end
  end
  local version = next_version(was.version, micros)
  redis.call('HSET', keys[1], 'policy', args[3], 'version', version, 'updated', digits(now), 'write', args[4])
  if not was.version then
    redis.call('HSET', keys[1], 'created', digits(now))
    redis.call('ZADD', keys[2], 0, args[1])
  end
  tell(keys[3], args[5], 'pool', args[1], version, digits(now))
  return {'ok', redis.call('HGETALL', keys[1])}
end
