-- Gives a site that an earlier version founded its life. Nobody knows what of it is due, so something is due now.
-- Takes and answers: verbs.AdoptSite.
local function adopt_site(key, arg)
  if redis.call('EXISTS', key.life) == 0 then
    redis.call('HSET', key.life, 'uid', arg.uid, 'state', 'ACTIVE', 'founder', 'adopted', 'due', '0')
  end
  local life = fields(key.life, 'uid', 'state', 'due')
  return {'ok', life.uid, life.state, life.due or ''}
end
