-- Notes how an agent served a customer.
-- KEYS  customer
-- ARGV  1 agent's field  2 what is noted: 'good|when|until'  3 ms it is remembered
-- Returns {'ok'}, or {'moved', id} where the customer was joined to another
local function remember(keys, args)
  local other = redis.call('HGET', keys[1], '>')
  if other then return {'moved', other} end
  redis.call('HSET', keys[1], args[1], args[2])
  -- A shorter memory does not cut a longer one; a customer who is new here has none.
  if redis.call('PTTL', keys[1]) < tonumber(args[3]) then redis.call('PEXPIRE', keys[1], args[3]) end
  return {'ok'}
end
