-- Copies events of a stream into another one, under their ids: XDEL leaves the bytes of an event in its block, so that only
-- a copy is without them. At the end the copy takes the stream's place.
-- Takes and answers: verbs.CopyEvents.
local function copy_events(key, arg)
  local start = '-'
  if arg.after ~= '' then
    local last = redis.call('XREVRANGE', key.copy, '+', '-', 'COUNT', 1)
    -- Meanwhile another person was forgotten, or another process copies, too.
    if not last[1] or last[1][1] ~= arg.after then return {'again'} end
    start = '(' .. arg.after
  else
    redis.call('DEL', key.copy)
  end
  local events, id = redis.call('XRANGE', key.stream, start, '+', 'COUNT', arg.most), arg.after
  for i = 1, #events do
    id = events[i][1]
    redis.call('XADD', key.copy, id, unpack(events[i][2]))
  end
  if #events == tonumber(arg.most) then
    redis.call('PEXPIRE', key.copy, 60000)
    return {'more', id}
  end
  if redis.call('EXISTS', key.copy) == 1 then
    redis.call('PERSIST', key.copy)
    redis.call('RENAME', key.copy, key.stream)
  end
  return {'done'}
end
