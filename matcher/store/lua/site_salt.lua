-- Reads the salt of a site's life, and makes it where there is none: a salt is never changed.
-- Takes and answers: verbs.SiteSalt.
local function site_salt(key, arg)
  local salt = redis.call('HGET', key.life, 'salt')
  if not salt then
    salt = arg.salt
    redis.call('HSET', key.life, 'salt', salt)
  end
  return {'ok', salt}
end
