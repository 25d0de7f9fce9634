-- Takes off the sites whose traces are gone from the append-only file, too, unless another person was forgotten meanwhile.
-- Takes and answers: verbs.Rewritten.
local function rewritten(key, arg)
  for i = 1, #arg.sites do
    if redis.call('HGET', key.forgotten, arg.sites[i].site_id) == arg.sites[i].mark then
      redis.call('HDEL', key.forgotten, arg.sites[i].site_id)
    end
  end
  return {'ok'}
end
