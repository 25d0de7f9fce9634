-- Moves the deadline of an accepted reservation.
-- KEYS  reservation, contact, agent, lease, due, load
-- ARGV  1 reservation id  2 contact id  3 agent id  4 fence  5 keep ms  6 events kept  7 ms from now
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function renew(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads ~= 'ACCEPTED' then return refused(it) end
  local deadline = it.now + tonumber(args[7])
  extend(keys, it, deadline)
  if has_contact(keys, it) then
    redis.call('HSET', keys[2], 'until', digits(deadline))
  end
  return answer(keys, it)
end
