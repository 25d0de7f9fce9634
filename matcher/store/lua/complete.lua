-- Ends a conversation; the slot stays held for the wrap-up, which a second call ends.
-- KEYS  reservation, contact, agent, lease, due, load
-- ARGV  1 reservation id  2 contact id  3 agent id  4 fence  5 keep ms  6 events kept  7 wrap-up ms
--       8 write id: a call that the network repeats must not count as the second
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function complete(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.write == args[8] or it.reads == 'COMPLETED' then return answer(keys, it) end
  if it.reads == 'ACCEPTED' then
    change_contact(keys, it, 'CLOSED')
    redis.call('HSET', keys[1], 'write', args[8])
    local wrap_up = tonumber(args[7])
    if wrap_up > 0 then
      redis.call('HSET', keys[1], 'state', 'WRAPPING')
      extend(keys, it, it.now + wrap_up)
    else
      release(keys, it, 'COMPLETED', it.now)
    end
    return answer(keys, it)
  end
  if it.reads ~= 'WRAPPING' then return refused(it) end
  release(keys, it, 'COMPLETED', it.now)
  return answer(keys, it)
end
