-- Writes which keys are in use, where nobody has changed that since it was read. A repetition changes nothing.
-- Takes and answers: verbs.UseKeys.
local function use_keys(key, arg)
  local stored = redis.call('HGET', key.record, arg.field) or ''
  if stored == arg.in_use then return {'ok'} end
  if stored ~= arg.expected then return {'moved'} end
  redis.call('HSET', key.record, arg.field, arg.in_use)
  return {'ok'}
end
