-- Writes the interest vectors of agents whose profile is still the one that the vectors were computed from.
-- Takes and answers: verbs.PutVectors.
local function put_vectors(key, arg)
  local written = 0
  for i = 1, #arg.agents do
    if redis.call('HGET', key.agents[i].agent, 'profile_version') == arg.agents[i].profile_version then
      redis.call('SET', key.agents[i].vectors, arg.agents[i].encoded)
      written = written + 1
    end
  end
  return {'ok', written}
end
