-- Changes nothing, by a command that a server refuses where it takes no writes: removes a key that no site has.
-- Takes and answers: verbs.ProveWriting.
local function prove_writing(key, arg)
  redis.call('DEL', key.none)
  return {'ok'}
end
