-- Stores a customer's handle by the digest of a newer key, for as long as it was stored.
-- Takes and answers: verbs.Rehash.
local function rehash(key, arg)
  local former = redis.call('GET', key.former)
  if not former then return {'done'} end
  local customer = redis.call('GET', key.handle)
  if not customer then
    redis.call('RENAME', key.former, key.handle)
    return {'done'}
  end
  if arg.customer_id == '' or redis.call('HGET', key.customer, '>') then return {'both', customer, former} end
  -- One handle was counted twice, once by either digest.
  redis.call('DEL', key.former)
  if redis.call('EXISTS', key.customer) == 1 then redis.call('HINCRBY', key.customer, 'handles', -1) end
  redis.call('SET', key.handle, arg.customer_id, 'KEEPTTL')
  return {'done'}
end
