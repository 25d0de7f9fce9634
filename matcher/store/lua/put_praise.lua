-- Stores what a customer praises of an agent, sealed, and tells those who watch. Corrected words get a new number.
-- Takes and answers: verbs.PutPraise.
local function put_praise(key, arg)
  if redis.call('HGET', key.praise, 'digest') == arg.digest then return {'same'} end
  local now = clock()
  local number, expires = redis.call('HINCRBY', key.life, 'praises', 1), digits(now + tonumber(arg.kept_ms))
  redis.call('HSET', key.praise, 'agent', arg.agent_id, 'agent_uid', arg.agent_uid, 'contact', arg.contact_id,
    'source', arg.source, 'customer', arg.customer, 'digest', arg.digest, 'number', digits(number), 'at', digits(now),
    'sealed', arg.sealed)
  redis.call('PEXPIREAT', key.praise, expires)
  redis.call('ZADD', key.praised, digits(number), arg.praise_id)
  redis.call('PEXPIREAT', key.praised, expires)
  append(key.load, arg.events_kept, 'praise', arg.agent_id, digits(number), digits(now))
  return {'ok', digits(number)}
end
