-- Takes an offer.
-- KEYS  reservation, contact, agent, lease, due, load
-- ARGV  1 reservation id  2 contact id  3 agent id  4 fence  5 keep ms  6 events kept  7 accepted ms
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function accept(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads == 'ACCEPTED' then return answer(keys, it) end
  if it.reads ~= 'PENDING' then return refused(it) end
  local deadline = it.now + tonumber(args[7])
  redis.call('HSET', keys[1], 'state', 'ACCEPTED', 'accepted', digits(it.now))
  extend(keys, it, deadline)
  change_contact(keys, it, 'ASSIGNED', 'until', digits(deadline))
  return answer(keys, it)
end
