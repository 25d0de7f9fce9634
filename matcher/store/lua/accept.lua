-- Takes an offer. What the customer wrote is gone from here on.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 accepted ms  8 ms without a sign after which it stops counting (0: never)
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function accept(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads == 'ACCEPTED' then return answer(keys, it) end
  if it.reads ~= 'PENDING' then return refused(it) end
  local deadline = it.now + tonumber(args[7])
  redis.call('HSET', keys[1], 'state', 'ACCEPTED', 'accepted', digits(it.now))
  if has_contact(it) and it.place.known.wait then unseal(it.place) end
  extend(keys, it, deadline)
  stir(keys, it, tonumber(args[8]))
  answered(keys)
  if has_contact(it) then
    step(it.place, 'ASSIGNED', 'ACCEPTED', it.reservation, it.agent, 'until', digits(deadline))
  end
  return answer(keys, it)
end
