-- Begins a site's deletion: from now on no verb runs for the site, and every process that follows it hears so.
-- Takes and answers: verbs.DeleteSite.
local function delete_site(key, arg)
  local life = fields(key.life, 'uid', 'state')
  if not life.state then return {'gone'} end
  if life.state == 'ACTIVE' then
    local agents = redis.call('ZCARD', key.agents)
    if arg.force ~= '1' and agents > 0 then return {'used', digits(agents)} end
    redis.call('HSET', key.life, 'state', 'DELETING')
    append(key.roster, arg.events_kept, 'site', arg.site_id, '0', '0')
    say_change(key.audit, arg.said)
  end
  return {'ok', life.uid}
end
