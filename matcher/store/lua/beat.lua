-- Notes a heartbeat of an agent's desk. An agent whom silence had set AWAY is back, but not after too long a
-- silence: a desk that wakes up by itself may have nobody at it.
-- Takes and answers: verbs.Beat.
local function beat(key, arg)
  local now, micros = clock()
  local before = fields(key.agent, 'status', 'version', 'beat', 'silent', 'pools')
  if not before.version or not in_scope(arg.scope, before.pools) then return {'gone'} end
  local until_ms, status = digits(now + tonumber(arg.ttl_ms)), before.status
  redis.call('HSET', key.agent, 'beat', until_ms)
  redis.call('ZADD', key.timers, until_ms, 'beat|' .. arg.agent_id)
  note_due(key.life, until_ms)
  -- Replicas sleep until the earliest deadline they know: this one may be earlier, and a deadline that has passed was
  -- noticed and is no longer among those that they know.
  if not before.beat or tonumber(before.beat) <= now or tonumber(until_ms) < tonumber(before.beat) then
    append(key.load, arg.events_kept, 'timer', until_ms, digits(now))
  end
  local noted, away = before.silent and before.status == 'AWAY', ''
  if before.beat and now - tonumber(before.beat) > tonumber(arg.return_within_ms) then
    local reason = 'no heartbeat for too long'
    if noted then
      status = 'AWAY'
      local version = next_version(before.version, micros)
      redis.call('HDEL', key.agent, 'silent')
      redis.call('HSET', key.agent, 'reason', reason, 'version', version, 'updated', digits(now))
      append(key.roster, arg.events_kept, 'agent', arg.agent_id, version, digits(now))
    elseif set_away(key.agent, key.roster, arg.events_kept, arg.agent_id, reason, now, micros) then
      status, away = 'AWAY', 'away'
    end
  elseif noted then
    status = before.silent
    local version = next_version(before.version, micros)
    redis.call('HDEL', key.agent, 'silent', 'reason')
    redis.call('HSET', key.agent, 'status', status, 'version', version, 'updated', digits(now), 'idle', digits(now))
    if status == 'ONLINE' then earmark(key.agent, key.waiting, now) end
    append(key.roster, arg.events_kept, 'agent', arg.agent_id, version, digits(now))
  end
  return {'ok', until_ms, status, away}
end
