-- Removes keys of a site that is being deleted. A second process that does the same finds the life ended, and so cannot
-- remove what a new site of the same id has written.
-- Takes and answers: verbs.Erase.
local function erase(key, arg)
  local life = fields(key.life, 'uid', 'state')
  if life.state ~= 'DELETING' or life.uid ~= arg.uid then return {'over'} end
  for i = 1, #arg.doomed do redis.call('UNLINK', key.doomed[i].key) end
  if arg.last == '1' then redis.call('DEL', key.life) end
  return {'ok'}
end
