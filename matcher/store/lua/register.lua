-- Writes a live process, or that it lives on, and forgets those that have been silent. A process is stored as
-- 'until|the newest schema that it reads|its record'.
-- Takes and answers: verbs.Register.
local function register(key, arg)
  local now, live = clock(), {}
  local entry = digits(now + tonumber(arg.lifetime_ms)) .. '|' .. arg.newest .. '|' .. arg.record
  redis.call('HSET', key.processes, arg.process_id, entry)
  redis.call('PEXPIRE', key.processes, arg.lifetime_ms)
  local stored = redis.call('HGETALL', key.processes)
  for i = 1, #stored, 2 do
    local ends, record = string.match(stored[i + 1], '^(%d+)|%d+|(.*)$')
    if tonumber(ends) <= now then
      redis.call('HDEL', key.processes, stored[i])
    else
      live[#live + 1] = stored[i]
      live[#live + 1] = record
    end
  end
  return {'live', redis.call('GET', key.schema) or '', live}
end
