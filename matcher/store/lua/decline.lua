-- Turns an offer down. A contact that waits is in the queue again, at its old age, without this agent.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 reason  8 ms after which the agent may be offered it again ('': never)
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function decline(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads == 'DECLINED' then return answer(keys, it) end
  if it.reads ~= 'PENDING' then return refused(it) end
  redis.call('HSET', keys[1], 'reason', args[7])
  release(keys, it, 'DECLINED', nil)
  answered(keys)
  local again = args[8] == '' and '0' or digits(it.now + tonumber(args[8]))
  if has_contact(it) then put_back(it.place, 'DECLINED', it.reservation, it.agent, again) end
  return answer(keys, it)
end
