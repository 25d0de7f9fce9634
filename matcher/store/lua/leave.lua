-- Takes a contact out of the queue: given up by the caller, or because it has waited as long as it may.
-- KEYS  contact, load, queue, waiting, contacts, timers
-- ARGV  1 contact id  2 cause (CANCELED or WAIT_EXPIRED)  3 keep ms  4 events kept
-- Returns {'left', state}, {'gone'}, {'held', reservation id} where an agent is held, {'ended', state},
-- or {'early'} where it may still wait
local function leave(keys, args)
  local now, known = clock(), known_of(keys[1])
  local place = {
    contact = keys[1], load = keys[2], queue = keys[3], waiting = keys[4], contacts = keys[5], timers = keys[6],
    id = args[1], now = now, keep = tonumber(args[3]), events = args[4], known = known,
  }
  local expires = args[2] == 'WAIT_EXPIRED'
  if not known.state then
    local pool = dequeue(place)
    if pool then tell(keys[2], args[4], 'step', args[1], pool, '0', 'EXPIRED', 'WAIT_EXPIRED', '', '', '', digits(now)) end
    redis.call('ZREM', keys[6], 'contact|' .. args[1])
    redis.call('ZREM', keys[5], args[1])
    return {'gone'}
  end
  local holds = known.state == 'RESERVED' or known.state == 'ASSIGNED'
  local live = holds and tonumber(known['until']) > now
  if expires then
    if not known.queued_in then
      redis.call('ZREM', keys[6], 'contact|' .. args[1])
      if holds or known.state == 'QUEUED' then return {'held', known.reservation or ''} end
      return {'ended', known.state}
    end
    if tonumber(known.waits) > now then return {'early'} end
    if live then
      -- A transfer that found nobody: the conversation goes on where it is.
      dequeue(place)
      unseal(place)
      redis.call('HDEL', keys[1], 'x:' .. known.agent)
      step(place, 'ASSIGNED', args[2], known.reservation, known.agent)
      return {'left', 'ASSIGNED'}
    end
    if holds then
      finish(place, 'EXPIRED', 'CONVERSATION_EXPIRED', known.reservation, known.agent)
    else
      finish(place, 'EXPIRED', args[2], '', '')
    end
    return {'left', 'EXPIRED'}
  end
  if live then return {'held', known.reservation} end
  if known.state == 'ASSIGNED' then return {'ended', 'EXPIRED'} end
  -- A call that the network repeats is answered as the first was.
  if known.state == 'CANCELED' then return {'left', 'CANCELED'} end
  if known.state ~= 'QUEUED' and known.state ~= 'RESERVED' then return {'ended', known.state} end
  finish(place, 'CANCELED', args[2], '', '')
  return {'left', 'CANCELED'}
end
