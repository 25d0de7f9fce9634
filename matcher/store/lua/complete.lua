-- Ends a conversation; the slot stays held for the wrap-up, which a second call ends.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 wrap-up ms
--       8 write id: a call that the network repeats must not count as the second
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function complete(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.write == args[8] or it.reads == 'COMPLETED' then return answer(keys, it) end
  if it.reads == 'ACCEPTED' then
    if has_contact(it) then finish(it.place, 'CLOSED', 'COMPLETED', it.reservation, it.agent) end
    redis.call('HSET', keys[1], 'write', args[8])
    local wrap_up = tonumber(args[7])
    if wrap_up > 0 then
      redis.call('HSET', keys[1], 'state', 'WRAPPING')
      redis.call('ZREM', keys[10], 'idle|' .. it.reservation)
      it.deadline = digits(it.now + wrap_up)
      -- The wrap-up is work, also after a conversation that had stopped counting.
      count(keys, it, it.cost)
    else
      release(keys, it, 'COMPLETED', it.now)
    end
    return answer(keys, it)
  end
  if it.reads ~= 'WRAPPING' then return refused(it) end
  release(keys, it, 'COMPLETED', it.now)
  return answer(keys, it)
end
