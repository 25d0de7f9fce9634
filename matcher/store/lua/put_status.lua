-- Declares an agent's status. The same status again writes nothing.
-- KEYS  agent, roster, waiting
-- ARGV  1 agent id  2 status  3 events kept
-- Returns {'ok', fields} or {'gone'}
local function put_status(keys, args)
  local now, micros = clock()
  local was = fields(keys[1], 'version', 'status', 'reason', 'beat')
  if not was.version then return {'gone'} end
  -- Who is declared to be there after a silence is there: silence counts again from the next sign on.
  local silent = was.beat and tonumber(was.beat) <= now
  if was.status ~= args[2] or was.reason or silent then
    local version = next_version(was.version, micros)
    redis.call('HDEL', keys[1], 'reason', 'missed', 'silent', silent and 'beat' or 'silent')
    redis.call('HSET', keys[1], 'status', args[2], 'version', version, 'updated', digits(now))
    if args[2] == 'ONLINE' then
      redis.call('HSET', keys[1], 'idle', digits(now))
      earmark(keys[1], keys[3], now)
    end
    tell(keys[2], args[3], 'agent', args[1], version, digits(now))
  end
  return {'ok', redis.call('HGETALL', keys[1])}
end
