-- Removes a pool that has no agent and in which no contact waits.
-- Takes and answers: verbs.DeletePool.
local function delete_pool(key, arg)
  local now = clock()
  local version = redis.call('HGET', key.pool, 'version')
  if not version then return redis.call('GET', key.once) == arg.write_id and {'ok'} or {'gone'} end
  if arg.expected ~= '' and arg.expected ~= version then return {'mismatch', version} end
  local agents = redis.call('SCARD', key.members)
  if agents > 0 then return {'used', digits(agents)} end
  local waiting = redis.call('HGET', key.waiting, arg.pool_id)
  if waiting and tonumber(waiting) > 0 then return {'waits', waiting} end
  redis.call('ZREM', key.pools, arg.pool_id)
  redis.call('DEL', key.pool, key.members)
  redis.call('SET', key.once, arg.write_id, 'PX', 60000)
  append(key.roster, arg.events_kept, 'pool', arg.pool_id, '0', digits(now))
  say_change(key.audit, arg.said)
  return {'ok'}
end
