-- Writes the interest vectors of agents whose profile is still the one that the vectors were computed from.
-- Takes and answers: verbs.PutVectors.
local function put_vectors(_, arg)
  local written = 0
  for _, agent in ipairs(arg.agents) do
    if redis.call('HGET', agent.agent, 'profile_version') == agent.profile_version then
      redis.call('SET', agent.vectors, agent.encoded)
      written = written + 1
    end
  end
  return {'ok', written}
end
