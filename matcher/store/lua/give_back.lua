-- Ends the earmark of agents to whom none of the waiting contacts may come, so that new messages may. An agent who got
-- free capacity again since then stays earmarked.
-- Takes and answers: verbs.GiveBack.
local function give_back(key, arg)
  for i = 1, #arg.agents do
    local agent = key.agents[i].agent
    if redis.call('HGET', agent, 'earmark') == digits(tonumber(arg.agents[i].freed_at_ms) + EARMARK_MS) then
      redis.call('HDEL', agent, 'earmark')
    end
  end
  return {'ok'}
end
