-- Declares an agent's status, and why. The same again writes nothing.
-- Takes and answers: verbs.PutStatus.
local function put_status(key, arg)
  local now, micros = clock()
  local before = fields(key.agent, 'version', 'status', 'reason', 'why', 'beat', 'pools')
  if not before.version or not in_scope(arg.scope, before.pools) then return {'gone'} end
  -- An agent with a declared status is not silent: heartbeats count again from the next one on.
  local silent = before.beat and tonumber(before.beat) <= now
  if before.status ~= arg.status or before.reason or (before.why or '') ~= arg.why or silent then
    local version = next_version(before.version, micros)
    redis.call('HDEL', key.agent, 'reason', 'why', 'missed', 'declined', 'silent', silent and 'beat' or 'silent')
    redis.call('HSET', key.agent, 'status', arg.status, 'version', version, 'updated', digits(now))
    if arg.why ~= '' then redis.call('HSET', key.agent, 'why', arg.why) end
    keep_uid(key.agent, arg.uid)
    if arg.status == 'ONLINE' then
      redis.call('HSET', key.agent, 'idle', digits(now))
      earmark(key.agent, key.waiting, now)
    end
    append(key.roster, arg.events_kept, 'agent', arg.agent_id, version, digits(now))
    say_change(key.audit, arg.said)
  end
  return {'ok', redis.call('HGETALL', key.agent)}
end
