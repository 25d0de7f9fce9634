-- Appends records to the audit trail, where nobody has appended since its head was read: the chain never forks.
-- Takes and answers: verbs.AppendTrail.
local function append_trail(key, arg)
  if (redis.call('HGET', key.head, 'number') or '0') ~= arg.expected then return {'moved'} end
  for i = 1, #arg.records do
    redis.call('XADD', key.chain, '0-' .. arg.records[i].number, 'e', arg.records[i].text)
    redis.call('HSET', key.clear, arg.records[i].number, arg.records[i].clear)
  end
  -- The values in clear go with their records.
  local over = redis.call('XLEN', key.chain) - tonumber(arg.kept)
  if over > 0 then
    for _, entry in ipairs(redis.call('XRANGE', key.chain, '-', '+', 'COUNT', over)) do
      redis.call('HDEL', key.clear, string.match(entry[1], '%d+$'))
      redis.call('XDEL', key.chain, entry[1])
    end
  end
  redis.call('HSET', key.head, 'number', arg.number, 'mac', arg.mac, 'source|' .. arg.source, arg.taken)
  return {'ok'}
end
