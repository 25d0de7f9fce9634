-- Writes an agent: the profile and, where it is given, the status.
-- Takes and answers: verbs.PutAgent.
local function put_agent(key, arg)
  local now, micros = clock()
  local before = fields(key.agent, 'version', 'status', 'write', 'idle', 'profile_version', 'beat')
  if before.write == arg.write_id then return {'ok', redis.call('HGETALL', key.agent)} end
  local conflict = version_conflict(before.version, arg.expected)
  if conflict then return conflict end
  -- A file does not know who is at the desk: while heartbeats are missing it gives no status, and the guard stays.
  local given = arg.status
  if arg.imported == '1' and before.beat and tonumber(before.beat) <= now then given = '' end
  local pools = {}
  for i = 1, #arg.joined do
    pools[i] = arg.joined[i].id
    if not redis.call('ZSCORE', key.pools, pools[i]) then return {'pool', pools[i]} end
  end
  if not before.version and is_full(key.agents, arg.most_agents) then return {'quota'} end
  for i = 1, #arg.left do redis.call('SREM', key.left[i].members, arg.agent_id) end
  for i = 1, #arg.joined do redis.call('SADD', key.joined[i].members, arg.agent_id) end
  local status = given ~= '' and given or before.status or 'OFFLINE'
  local idle = before.idle or digits(now)
  if status == 'ONLINE' and before.status ~= 'ONLINE' then idle = digits(now) end
  local version = next_version(before.version, micros)
  redis.call('HSET', key.agent, 'profile', arg.profile, 'total', arg.total, 'channels', arg.channels, 'status', status,
    'idle', idle, 'version', version, 'profile_version', version, 'updated', digits(now), 'write', arg.write_id)
  keep_uid(key.agent, arg.uid)
  if not before.version then
    redis.call('HSET', key.agent, 'created', digits(now))
    redis.call('ZADD', key.agents, 0, arg.agent_id)
  end
  if arg.encoded ~= '' then redis.call('SET', key.vectors, arg.encoded) end
  redis.call('HSET', key.agent, 'pools', ';' .. table.concat(pools, ';') .. ';')
  if given ~= '' then
    if given ~= before.status then redis.call('HDEL', key.agent, 'reason', 'why', 'missed', 'declined', 'silent') end
    if before.beat and tonumber(before.beat) <= now then redis.call('HDEL', key.agent, 'beat') end
  end
  -- A contact may wait for a new agent, for more capacity or for another pool.
  if status == 'ONLINE' then earmark(key.agent, key.waiting, now) end
  append(key.roster, arg.events_kept, 'agent', arg.agent_id, version, digits(now))
  say_change(key.audit, arg.said)
  return {'ok', redis.call('HGETALL', key.agent)}
end
