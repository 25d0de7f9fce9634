-- Removes records of the audit trail that the ledger has, but the last, and their values in clear.
-- Takes and answers: verbs.TrimTrail.
local function trim_trail(key, arg)
  local last = '0-' .. arg.number
  for _, entry in ipairs(redis.call('XRANGE', key.chain, '-', last)) do
    redis.call('HDEL', key.clear, string.match(entry[1], '%d+$'))
  end
  redis.call('XTRIM', key.chain, 'MINID', '=', last)
  return {'ok'}
end
