-- Gives a slot back without a conversation.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 cause (CANCELED or AGENT_REMOVED)
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function cancel(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads == 'CANCELED' then return answer(keys, it) end
  if it.reads ~= 'PENDING' and it.reads ~= 'ACCEPTED' then return refused(it) end
  release(keys, it, 'CANCELED', nil)
  if has_contact(it) then finish(it.place, 'CANCELED', args[7], it.reservation, it.agent) end
  return answer(keys, it)
end
