-- Notes how an agent served a customer, and forgets what no longer counts. The record lasts as long as its longest
-- relationship, by the pool of each, as the customer's interests, or as its handles are to stay joined. The caller lets
-- the handles last as long.
-- Takes and answers: verbs.Remember.
local function remember(key, arg)
  local other = redis.call('HGET', key.customer, '>')
  if other then return {'moved', other} end
  redis.call('HSET', key.customer, arg.agent_field, arg.verdict, arg.uid_field, arg.uid)
  learn_handle(key.customer, arg.digest, arg.sealed)
  local record, now = redis.call('HGETALL', key.customer), tonumber(arg.now_ms)
  local joined_ms = tonumber(redis.call('HGET', key.customer, 'joined') or 0) - clock()
  local lasts_ms = math.max(joined_ms, redis.call('PTTL', key.profile))
  for i = 1, #record, 2 do
    local name, counts_until = record[i], tonumber(string.match(record[i + 1], '|(%d+)$'))
    if string.sub(name, 1, 2) == 'a:' and counts_until then
      if counts_until <= now then redis.call('HDEL', key.customer, name, 'u:' .. string.sub(name, 3)) end
      lasts_ms = math.max(lasts_ms, counts_until - now)
    end
  end
  redis.call('PEXPIRE', key.customer, digits(lasts_ms))
  list_customer(key.customers, arg.customer_id, clock(), lasts_ms)
  return {'ok', digits(lasts_ms), handle_digests(record)}
end
