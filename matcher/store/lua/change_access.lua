-- Writes keys and removes keys, where nobody has changed them since they were read. A repetition changes nothing.
-- Takes and answers: verbs.ChangeAccess.
local function change_access(key, arg)
  local version = redis.call('HGET', key.access, 'version') or ''
  if version == arg.version then return {'ok'} end
  if version ~= arg.expected then return {'moved'} end
  for i = 1, #arg.dropped do redis.call('HDEL', key.access, arg.dropped[i].dropped_id) end
  for i = 1, #arg.written do redis.call('HSET', key.access, arg.written[i].key_id, arg.written[i].record) end
  redis.call('HSET', key.access, 'version', arg.version)
  say_change(key.audit, arg.said)
  return {'ok'}
end
