-- Notes that an agent's desk is alive. Whom silence had sent away is back.
-- KEYS  agent, timers, roster, load, waiting
-- ARGV  1 agent id  2 ms until the next one is due  3 events kept
-- Returns {'ok', until ms, status} or {'gone'}
local function beat(keys, args)
  local now, micros = clock()
  local was = fields(keys[1], 'status', 'version', 'beat', 'silent')
  if not was.version then return {'gone'} end
  local until_ms, status = digits(now + tonumber(args[2])), was.status
  redis.call('HSET', keys[1], 'beat', until_ms)
  redis.call('ZADD', keys[2], until_ms, 'beat|' .. args[1])
  -- Those who sleep until the earliest deadline hear of one that may be earlier than they know.
  if not was.beat or tonumber(until_ms) < tonumber(was.beat) then tell(keys[4], args[3], 'timer', until_ms, digits(now)) end
  if was.silent and was.status == 'AWAY' then
    status = was.silent
    local version = next_version(was.version, micros)
    redis.call('HDEL', keys[1], 'silent', 'reason')
    redis.call('HSET', keys[1], 'status', status, 'version', version, 'updated', digits(now), 'idle', digits(now))
    if status == 'ONLINE' then earmark(keys[1], keys[5], now) end
    tell(keys[3], args[3], 'agent', args[1], version, digits(now))
  end
  return {'ok', until_ms, status}
end
