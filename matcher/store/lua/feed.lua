-- Removes what the ledger has committed from the outbox, and reads what comes next; for the one process that has the
-- site's feeder lease.
-- Takes and answers: verbs.Feed.

-- Removes the entries up to the last that was committed. After a failover the numbers of lost entries are given again:
-- where the entry of that number is another one, nothing is removed, and the ledger sees what it has by its keys.
local function trim_outbox(key, arg)
  if arg.committed == '' then return end
  local id = '0-' .. arg.committed
  local last = redis.call('XRANGE', key.outbox, id, id)
  if last[1] and last[1][2][2] == arg.committed_entry then
    redis.call('XTRIM', key.outbox, 'MINID', '=', '0-' .. digits(tonumber(arg.committed) + 1))
  end
end

local function feed(key, arg)
  local holder = redis.call('GET', key.feeder)
  if holder and holder ~= arg.process_id then return {'follows'} end
  redis.call('SET', key.feeder, arg.process_id, 'PX', arg.lease_ms)
  trim_outbox(key, arg)
  for i = 1, #arg.forgotten do
    local person = arg.forgotten[i].person
    -- A person who was forgotten once more meanwhile has another stamp.
    if redis.call('HGET', key.forgets, person) == arg.forgotten[i].stamp then redis.call('HDEL', key.forgets, person) end
  end
  return {'feeds', redis.call('HGET', key.life, 'uid'), digits(clock()),
    redis.call('XRANGE', key.outbox, '-', '+', 'COUNT', arg.most), redis.call('HGETALL', key.forgets)}
end
