-- Takes or renews the leader lease of a site's queue. It spares double work; two leaders do no harm. The answer to a
-- leader names the load stream's last event: a leader that has read it knows all that was written before its lease.
-- Takes and answers: verbs.Lead.
--
-- A lease that lasts longer than any process asks for was taken before the clock went back: its process may be dead, and
-- is not waited for.
local LONGEST_LEASE_MS = 90000

local function lead(key, arg)
  local leader, left = redis.call('GET', key.dispatcher), redis.call('PTTL', key.dispatcher)
  if leader and leader ~= arg.process_id and left <= LONGEST_LEASE_MS then
    return {'follows', digits(math.max(left, 1))}
  end
  redis.call('SET', key.dispatcher, arg.process_id, 'PX', arg.lease_ms)
  return {'leads', last_event(key.load)}
end
