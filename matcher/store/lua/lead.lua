-- Takes or renews the leader lease of a site's queue. It spares double work; two leaders do no harm. The answer to a
-- leader names the load stream's last event: a leader that has read it knows all that was written before its lease.
-- Takes and answers: verbs.Lead.
local function lead(key, arg)
  local leader = redis.call('GET', key.dispatcher)
  if leader and leader ~= arg.process_id then
    return {'follows', digits(math.max(redis.call('PTTL', key.dispatcher), 1))}
  end
  redis.call('SET', key.dispatcher, arg.process_id, 'PX', arg.lease_ms)
  return {'leads', last_event(key.load)}
end
