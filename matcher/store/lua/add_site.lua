-- Adds a site. A call that the network repeats finds that it added the site itself.
-- Takes and answers: verbs.AddSite.
local function add_site(key, arg)
  if redis.call('ZADD', key.sites, 'NX', 0, arg.site_id) == 1 then
    redis.call('SET', key.once, arg.write_id, 'PX', 60000)
    return {'ok'}
  end
  if redis.call('GET', key.once) == arg.write_id then return {'ok'} end
  return {'exists'}
end
