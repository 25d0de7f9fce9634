-- Stores the vectors of a customer's interests by another model, unless the interests have changed since they were read.
-- Takes and answers: verbs.PutProfileVectors.
local function put_profile_vectors(key, arg)
  if redis.call('HGET', key.profile, 'uid') ~= arg.uid then return {'changed'} end
  redis.call('HSET', key.profile, 'vectors', arg.vectors)
  return {'ok'}
end
