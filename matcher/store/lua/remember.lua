-- Notes how an agent served a customer, and forgets what counts no more. The record lasts as long as its longest
-- relationship, by the pool of each, or as its handles are to stay joined. The caller lets the handles last as long.
-- Takes and answers: verbs.Remember.
local function remember(key, arg)
  local other = redis.call('HGET', key.customer, '>')
  if other then return {'moved', other} end
  redis.call('HSET', key.customer, arg.agent_field, arg.verdict, arg.uid_field, arg.uid)
  local record, now = redis.call('HGETALL', key.customer), tonumber(arg.now_ms)
  local lasts_ms = tonumber(redis.call('HGET', key.customer, 'joined') or 0) - clock()
  for i = 1, #record, 2 do
    local name, counts_until = record[i], tonumber(string.match(record[i + 1], '|(%d+)$'))
    if string.sub(name, 1, 2) == 'a:' and counts_until then
      if counts_until <= now then redis.call('HDEL', key.customer, name, 'u:' .. string.sub(name, 3)) end
      lasts_ms = math.max(lasts_ms, counts_until - now)
    end
  end
  redis.call('PEXPIRE', key.customer, digits(lasts_ms))
  return {'ok', digits(lasts_ms), handle_digests(record)}
end
