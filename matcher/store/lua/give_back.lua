-- Lets new messages have agents who were kept for those who wait, because nobody who waits may take them. Who became
-- free once more since then stays kept.
-- KEYS  agents
-- ARGV  for each agent: when they became free
-- Returns {'ok'}
local function give_back(keys, args)
  for i, agent in ipairs(keys) do
    if redis.call('HGET', agent, 'earmark') == digits(tonumber(args[i]) + EARMARK) then
      redis.call('HDEL', agent, 'earmark')
    end
  end
  return {'ok'}
end
