-- Reads the salt of a site's life, and makes it where there is none: a salt is never changed.
-- Takes and answers: verbs.SiteSalt.
local function site_salt(key, arg)
  redis.call('HSETNX', key.life, 'salt', arg.salt)
  return {'ok', redis.call('HGET', key.life, 'salt')}
end
