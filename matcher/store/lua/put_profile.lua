-- Stores the interests that a customer agreed to leave, until the consent ends; no interests: forgets those there were.
-- The customer's record lasts as long. The caller lets the handles last as long.
-- Takes and answers: verbs.PutProfile.
local function put_profile(key, arg)
  local other = redis.call('HGET', key.customer, '>')
  if other then return {'moved', other} end
  if redis.call('EXISTS', key.customer) == 0 then return {'gone'} end
  local now = clock()
  local lasts_ms = redis.call('PTTL', key.customer)
  redis.call('DEL', key.profile)
  if arg.sealed ~= '' then
    redis.call('HSET', key.profile, 'uid', arg.uid, 'time', arg.time_ms, 'sealed', arg.sealed, 'vectors', arg.vectors)
    redis.call('PEXPIREAT', key.profile, arg.expires_ms)
    lasts_ms = math.max(lasts_ms, tonumber(arg.expires_ms) - now)
  end
  if arg.digest ~= '' then
    redis.call('SET', key.once, arg.digest .. '|' .. arg.customer_id, 'PX', arg.once_ms)
    -- So that the customer can be forgotten with the requests.
    redis.call('HSET', key.customer, 'r:' .. arg.request_id, digits(now + tonumber(arg.once_ms)))
  end
  local record = redis.call('HGETALL', key.customer)
  for i = 1, #record, 2 do
    if string.sub(record[i], 1, 2) == 'r:' and tonumber(record[i + 1]) <= now then
      redis.call('HDEL', key.customer, record[i])
    end
  end
  redis.call('PEXPIRE', key.customer, digits(lasts_ms))
  list_customer(key.customers, arg.customer_id, now, lasts_ms)
  say_change(key.audit, arg.said)
  return {'ok', digits(lasts_ms), handle_digests(record)}
end
