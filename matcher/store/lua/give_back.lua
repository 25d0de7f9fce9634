-- Ends the earmark of agents to whom none of the waiting contacts may come, so that new messages may. An agent who got
-- free capacity again since then stays earmarked.
-- Takes and answers: verbs.GiveBack.
local function give_back(_, arg)
  for _, freed in ipairs(arg.agents) do
    if redis.call('HGET', freed.agent, 'earmark') == digits(tonumber(freed.freed_at_ms) + EARMARK_MS) then
      redis.call('HDEL', freed.agent, 'earmark')
    end
  end
  return {'ok'}
end
