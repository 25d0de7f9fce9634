-- Turns an offer down: the contact can be routed again, not to this agent.
-- KEYS  reservation, contact, agent, lease, due, load
-- ARGV  1 reservation id  2 contact id  3 agent id  4 fence  5 keep ms  6 events kept  7 reason
--       8 ms after which the agent may be offered it again ('': never)
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function decline(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads == 'DECLINED' then return answer(keys, it) end
  if it.reads ~= 'PENDING' then return refused(it) end
  redis.call('HSET', keys[1], 'reason', args[7])
  release(keys, it, 'DECLINED', nil)
  local again = args[8] == '' and '0' or digits(it.now + tonumber(args[8]))
  change_contact(keys, it, 'QUEUED', 'x:' .. it.agent, again)
  return answer(keys, it)
end
