-- Writes an agent: profile and, where given, status.
-- KEYS  agent, agents, vectors, roster, pools, waiting, then the member sets of the pools left, then of the pools joined
-- ARGV  1 agent id   2 expected version ('': any; 0: must not exist)   3 status ('': as it was, OFFLINE when new)
--       4 profile    5 capacity total   6 channels   7 vectors ('': as they are)   8 write id   9 events kept
--       10 how many pools are left      11… ids of the pools joined
-- Returns {'ok', fields}, {'exists'}, {'gone'}, {'mismatch', version} or {'pool', id} where a pool is unknown
local function put_agent(keys, args)
  local now, micros = clock()
  local was = fields(keys[1], 'version', 'status', 'write', 'idle', 'profile_version', 'beat')
  if was.write == args[8] then return {'ok', redis.call('HGETALL', keys[1])} end
  if args[2] ~= '' then
    if args[2] == '0' and was.version then return {'exists'} end
    if args[2] ~= '0' and not was.version then return {'gone'} end
    if args[2] ~= '0' and was.version ~= args[2] then return {'mismatch', was.version} end
  end
  for i = 11, #args do
    if not redis.call('ZSCORE', keys[5], args[i]) then return {'pool', args[i]} end
  end
  local left = tonumber(args[10])
  for i = 1, left do redis.call('SREM', keys[6 + i], args[1]) end
  for i = 7 + left, #keys do redis.call('SADD', keys[i], args[1]) end
  local status = args[3] ~= '' and args[3] or was.status or 'OFFLINE'
  local idle = was.idle or digits(now)
  if status == 'ONLINE' and was.status ~= 'ONLINE' then idle = digits(now) end
  local version = next_version(was.version, micros)
  redis.call('HSET', keys[1], 'profile', args[4], 'total', args[5], 'channels', args[6], 'status', status,
    'idle', idle, 'version', version, 'profile_version', version, 'updated', digits(now), 'write', args[8])
  if not was.version then
    redis.call('HSET', keys[1], 'created', digits(now))
    redis.call('ZADD', keys[2], 0, args[1])
  end
  if args[7] ~= '' then redis.call('SET', keys[3], args[7]) end
  redis.call('HSET', keys[1], 'pools', ';' .. table.concat(args, ';', 11) .. ';')
  if args[3] ~= '' and args[3] ~= was.status then redis.call('HDEL', keys[1], 'reason', 'missed', 'silent') end
  if args[3] ~= '' and was.beat and tonumber(was.beat) <= now then redis.call('HDEL', keys[1], 'beat') end
  -- A new agent, more capacity or another pool may be what somebody waits for.
  if status == 'ONLINE' then earmark(keys[1], keys[6], now) end
  tell(keys[4], args[9], 'agent', args[1], version, digits(now))
  return {'ok', redis.call('HGETALL', keys[1])}
end
