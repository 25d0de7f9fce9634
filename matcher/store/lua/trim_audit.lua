-- Removes the entries up to one that is chained. After a failover the numbers of lost entries are given again: where the
-- entry of that number is another one, nothing is removed.
-- Takes and answers: verbs.TrimAudit.
local function trim_audit(key, arg)
  local id = '0-' .. arg.number
  local last = redis.call('XRANGE', key.audit, id, id)
  if last[1] and last[1][2][2] == arg.entry then
    redis.call('XTRIM', key.audit, 'MINID', '=', '0-' .. digits(tonumber(arg.number) + 1))
  end
  return {'ok'}
end
