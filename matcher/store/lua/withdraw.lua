-- Takes an offer back from an agent who has gone. The contact goes back as after a decline.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 cause (AGENT_LEFT or AGENT_REMOVED)
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function withdraw(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads == 'CANCELED' then return answer(keys, it) end
  if it.reads ~= 'PENDING' then return refused(it) end
  release(keys, it, 'CANCELED', nil)
  -- Once the agent is back the contact may come to them.
  if has_contact(it) then put_back(it.place, args[7], it.reservation, it.agent, digits(it.now)) end
  return answer(keys, it)
end
