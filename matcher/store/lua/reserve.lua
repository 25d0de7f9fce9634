-- Holds a slot of the best candidate that has room.
-- KEYS  once, contact, reservation, decision, due, load, then for each candidate: agent, lease
-- ARGV  1 request digest      2 once lifetime ms     3 contact id        4 reservation id   5 decision id
--       6 pool                7 channel              8 customer          9 basis            10 hold ms
--       11 first state (PENDING or ACCEPTED)         12 tolerance (-1: the longest idle)    13 record
--       14 decision lifetime ms                      15 keep ms          16 events kept
--       then for each candidate: id, affinity
-- Returns one of
--   {'held', agent, fence, cost, created ms, deadline ms, load stream id}
--   {'replayed', reservation id, decision id, contact id}    this request was answered before
--   {'reused'}                      the request id was used with another request
--   {'live', reservation id}        the contact is held
--   {'ended', state}                the contact has ended
--   {'full', n}                     no candidate has room; nothing was written. n: the load stream's last event
local function reserve(keys, args)
  local now, micros = clock()
  local before = redis.call('GET', keys[1])
  if before then
    local digest, reservation, decision, contact = string.match(before, '^(%x+)|([^|]*)|([^|]*)|(.*)$')
    if digest ~= args[1] then return {'reused'} end
    return {'replayed', reservation, decision, contact}
  end

  local contact = fields(keys[2], 'state', 'reservation', 'agent', 'until', 'created')
  local unanswered
  if contact.state == 'RESERVED' or contact.state == 'ASSIGNED' then
    if tonumber(contact['until']) > now then return {'live', contact.reservation} end
    if contact.state == 'ASSIGNED' then return {'ended', 'EXPIRED'} end
    unanswered = contact.agent
  elseif contact.state and contact.state ~= 'QUEUED' then
    return {'ended', contact.state}
  end

  local roomy, best = {}, nil
  for i = 7, #keys, 2 do
    local id, affinity = args[17 + (i - 7)], tonumber(args[18 + (i - 7)])
    local agent = fields(keys[i], 'status', 'total', 'channels', 'idle', 'fence')
    local barred = id == unanswered
    if not barred and contact.state then
      local excluded_until = redis.call('HGET', keys[2], 'x:' .. id)
      barred = excluded_until and (excluded_until == '0' or tonumber(excluded_until) > now)
    end
    if agent.status == 'ONLINE' and not barred then
      local cost, most = channel_terms(agent.channels, args[7])
      if cost then
        local load, on_channel = live_load(keys[i + 1], now, args[7])
        local total = tonumber(agent.total)
        if load + cost <= total and (most == 0 or on_channel < most) then
          roomy[#roomy + 1] = {
            id = id, affinity = affinity, used = load / total, idle = tonumber(agent.idle), cost = cost,
            fence = tonumber(agent.fence or 0), agent = keys[i], lease = keys[i + 1],
          }
          if not best or affinity > best then best = affinity end
        end
      end
    end
  end
  if not best then
    local last = redis.call('XREVRANGE', keys[6], '+', '-', 'COUNT', 1)
    return {'full', last[1] and string.match(last[1][1], '%d+$') or '0'}
  end

  local tolerance, taken = tonumber(args[12]), nil
  for _, one in ipairs(roomy) do
    if tolerance < 0 then
      if not taken or one.idle < taken.idle then taken = one end
    elseif one.affinity >= best - tolerance then
      if not taken or one.used < taken.used or (one.used == taken.used and one.idle < taken.idle) then taken = one end
    end
  end

  local fence = math.max(taken.fence + 1, micros)
  local deadline = now + tonumber(args[10])
  local at, keep = digits(deadline), digits(deadline + tonumber(args[15]))
  local cost = digits(taken.cost)
  redis.call('HSET', taken.agent, 'fence', digits(fence))
  redis.call('ZADD', taken.lease, at, lease_member(args[4], args[7], cost))
  redis.call('HSET', keys[3],
    'state', args[11], 'agent', taken.id, 'contact', args[3], 'decision', args[5], 'pool', args[6],
    'channel', args[7], 'cost', cost, 'fence', digits(fence), 'basis', args[9], 'created', digits(now),
    'deadline', at, 'accepted', args[11] == 'ACCEPTED' and digits(now) or '0')
  redis.call('PEXPIREAT', keys[3], keep)
  if unanswered then redis.call('HSET', keys[2], 'x:' .. unanswered, '0') end
  redis.call('HSET', keys[2],
    'state', args[11] == 'ACCEPTED' and 'ASSIGNED' or 'RESERVED', 'pool', args[6], 'channel', args[7],
    'customer', args[8], 'reservation', args[4], 'agent', taken.id, 'until', at,
    'created', contact.created or digits(now))
  redis.call('HINCRBY', keys[2], 'sequence', 1)
  redis.call('PEXPIREAT', keys[2], keep)
  redis.call('ZADD', keys[5], at, 'reservation|' .. args[4])
  redis.call('SET', keys[1], table.concat({args[1], args[4], args[5], args[3]}, '|'), 'PX', args[2])
  redis.call('HSET', keys[4], 'record', args[13], 'agent', taken.id, 'reservation', args[4], 'contact', args[3],
    'pool', args[6], 'created', digits(now))
  redis.call('PEXPIRE', keys[4], args[14])
  local told = tell(keys[6], args[16], 'hold', taken.id, args[4], args[7], cost, at, digits(now))
  return {'held', taken.id, digits(fence), cost, digits(now), at, told}
end
