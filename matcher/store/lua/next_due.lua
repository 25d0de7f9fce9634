-- Makes the note of what is due next exact: note_due only moves it to earlier times.
-- Takes and answers: verbs.NextDue.
local function next_due(key, arg)
  local at
  for _, deadlines in ipairs({key.due, key.timers}) do
    local first = redis.call('ZRANGE', deadlines, 0, 0, 'WITHSCORES')
    if first[2] and (not at or tonumber(first[2]) < at) then at = tonumber(first[2]) end
  end
  if redis.call('EXISTS', key.queue) == 1 then at = math.min(at or math.huge, (clock())) end
  if not at then
    redis.call('HDEL', key.life, 'due')
    return {'ok', ''}
  end
  redis.call('HSET', key.life, 'due', digits(at))
  return {'ok', digits(at)}
end
