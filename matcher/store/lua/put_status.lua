-- Returns what a declared status has to say for the audit trail: the status before and after, also where it is the same and
-- only counts again, and the reason where it changed. Of what was before, the caller knows nothing; '' stays ''.
local function said_of_status(said, before, status, why)
  if said == '' then return '' end
  local change = cjson.decode(said)
  change.fields.status = {before.status, status}
  local reason = before.reason or before.why or ''
  if reason ~= why then
    change.fields.status_reason = {reason ~= '' and reason or cjson.null, why ~= '' and why or cjson.null}
  end
  return cjson.encode(change)
end

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
    say_change(key.audit, said_of_status(arg.said, before, arg.status, arg.why))
  end
  return {'ok', redis.call('HGETALL', key.agent)}
end
