-- Notes how an agent served a customer.
-- Takes and answers: verbs.Remember.
local function remember(key, arg)
  local other = redis.call('HGET', key.customer, '>')
  if other then return {'moved', other} end
  redis.call('HSET', key.customer, arg.agent_field, arg.verdict, arg.uid_field, arg.uid)
  -- A shorter lifetime does not cut a longer one; a new customer's record has none yet.
  if redis.call('PTTL', key.customer) < tonumber(arg.remember_ms) then
    redis.call('PEXPIRE', key.customer, arg.remember_ms)
  end
  return {'ok'}
end
