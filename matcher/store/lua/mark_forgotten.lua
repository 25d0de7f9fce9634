-- Notes that traces of a site are being removed, or were.
-- Takes and answers: verbs.MarkForgotten.
local function mark_forgotten(key, arg)
  redis.call('HSET', key.forgotten, arg.site_id, arg.mark)
  return {'ok'}
end
