-- Replaces a sealed field by the same sealed under a newer key, unless it has changed since it was read.
-- Takes and answers: verbs.Reseal.
local function reseal(key, arg)
  if redis.call('HGET', key.record, arg.field) ~= arg.expected then return {'changed'} end
  redis.call('HSET', key.record, arg.field, arg.sealed)
  return {'ok'}
end
