-- Takes a contact out of the queue: given up by the caller, or because it has waited as long as it may.
-- KEYS  contact, load, queue, waiting, contacts, timers
-- ARGV  1 contact id  2 cause (CANCELED or WAIT_EXPIRED)  3 keep ms  4 events kept
-- Returns {'left', state}, {'gone'}, {'held', reservation id} where an agent is held, {'ended', state},
-- or {'early'} where it may still wait
local function leave(keys, args)
  local now = clock()
  local place = {
    contact = keys[1], load = keys[2], queue = keys[3], waiting = keys[4], contacts = keys[5], timers = keys[6],
    id = args[1], now = now, keep = tonumber(args[3]), events = args[4],
  }
  local expires = args[2] == 'WAIT_EXPIRED'
  local contact = fields(keys[1], 'state', 'reservation', 'agent', 'until', 'waits', 'moving')
  if not contact.state then
    redis.call('ZREM', keys[6], 'contact|' .. args[1])
    redis.call('ZREM', keys[5], args[1])
    return {'gone'}
  end
  if expires then
    if not contact.waits or not redis.call('ZSCORE', keys[3], args[1]) then
      redis.call('ZREM', keys[6], 'contact|' .. args[1])
      return {'held', contact.reservation or ''}
    end
    if tonumber(contact.waits) > now then return {'early'} end
  end
  if contact.moving == '1' and contact.state == 'ASSIGNED' and tonumber(contact['until']) > now then
    -- A transfer that found nobody: the conversation goes on where it is.
    if not expires then return {'held', contact.reservation} end
    dequeue(place)
    redis.call('HDEL', keys[1], 'sealed', 'wait', 'moving')
    redis.call('ZREM', keys[6], 'contact|' .. args[1])
    step(place, 'ASSIGNED', args[2], contact.reservation, contact.agent)
    return {'left', 'ASSIGNED'}
  end
  if contact.state == 'RESERVED' or contact.state == 'ASSIGNED' then
    if tonumber(contact['until']) > now then return {'held', contact.reservation} end
    if contact.state == 'ASSIGNED' then return {'ended', 'EXPIRED'} end
  elseif contact.state ~= 'QUEUED' then
    return {'ended', contact.state}
  end
  local state = expires and 'EXPIRED' or 'CANCELED'
  finish(place, state, args[2], '', '')
  return {'left', state}
end
