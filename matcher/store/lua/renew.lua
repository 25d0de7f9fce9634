-- Moves the deadline of an accepted reservation.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 ms from now  8 ms without a sign after which it stops counting (0: never)
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function renew(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads ~= 'ACCEPTED' then return refused(it) end
  local deadline = it.now + tonumber(args[7])
  it.deadline = digits(deadline)
  extend(keys, it, deadline)
  stir(keys, it, tonumber(args[8]))
  if has_contact(it) then
    redis.call('HSET', keys[2], 'until', digits(deadline))
  end
  return answer(keys, it)
end
