-- Writes the interest vectors of agents whose profile is still the one they were made of.
-- KEYS  agent and vectors, for each agent
-- ARGV  profile version and vectors, for each agent
-- Returns {'ok', how many were written}
local function put_vectors(keys, args)
  local written = 0
  for i = 1, #keys, 2 do
    if redis.call('HGET', keys[i], 'profile_version') == args[i] then
      redis.call('SET', keys[i + 1], args[i + 1])
      written = written + 1
    end
  end
  return {'ok', written}
end
