-- Writes a pool's policy.
-- Takes and answers: verbs.PutPool.
local function put_pool(key, arg)
  local now, micros = clock()
  local before = fields(key.pool, 'version', 'write')
  if before.write == arg.write_id then return {'ok', redis.call('HGETALL', key.pool)} end
  local conflict = version_conflict(before.version, arg.expected)
  if conflict then return conflict end
  if not before.version and is_full(key.pools, arg.most_pools) then return {'quota'} end
  local version = next_version(before.version, micros)
  redis.call('HSET', key.pool, 'policy', arg.policy, 'version', version, 'updated', digits(now), 'write', arg.write_id)
  keep_uid(key.pool, arg.uid)
  if not before.version then
    redis.call('HSET', key.pool, 'created', digits(now))
    redis.call('ZADD', key.pools, 0, arg.pool_id)
  end
  append(key.roster, arg.events_kept, 'pool', arg.pool_id, version, digits(now))
  say_change(key.audit, arg.said)
  return {'ok', redis.call('HGETALL', key.pool)}
end
