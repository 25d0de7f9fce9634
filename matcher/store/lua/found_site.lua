-- Begins a site's life. The caller then puts the site on the list of sites, which may lie on another server, and calls
-- again with `listed`: the first founder who does so has founded the site, and a founding that was cut off goes on.
-- Takes and answers: verbs.FoundSite.
local function found_site(key, arg)
  local life = fields(key.life, 'uid', 'state', 'founder')
  if not life.state then
    -- Keys without a life: an earlier version was cut off in a deletion. They go before the id is used again.
    local left = redis.call('EXISTS', key.pools, key.agents, key.contacts, key.roster) > 0
    life.uid, life.state = arg.uid, left and 'DELETING' or 'ACTIVE'
    redis.call('HSET', key.life, 'uid', life.uid, 'state', life.state)
    if not left then
      -- The roster's numbers begin beyond those of every former life: a process that still reads on from the place where
      -- a former life ended finds a gap, and never takes the events of this life for the next ones of that.
      local now, micros = clock()
      redis.call('XADD', key.roster, '0-' .. digits(micros), 'e', 'pool|default|0|' .. digits(now))
    end
  end
  if life.state ~= 'ACTIVE' then return {'deleting', life.uid} end
  if life.founder and life.founder ~= arg.founder then return {'exists'} end
  if arg.listed == '1' then
    if not life.founder then say_change(key.audit, arg.said) end
    redis.call('HSET', key.life, 'founder', arg.founder)
  end
  return {'ok', life.uid}
end
