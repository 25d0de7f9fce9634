-- Gives a slot back without a conversation.
-- KEYS  reservation, contact, agent, lease, due, load
-- ARGV  1 reservation id  2 contact id  3 agent id  4 fence  5 keep ms  6 events kept
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function cancel(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads == 'CANCELED' then return answer(keys, it) end
  if it.reads ~= 'PENDING' and it.reads ~= 'ACCEPTED' then return refused(it) end
  release(keys, it, 'CANCELED', nil)
  change_contact(keys, it, 'CANCELED')
  return answer(keys, it)
end
