-- Holds a slot of the best candidate that has room; where none has, lets the contact wait if it may.
-- KEYS  once, contact, reservation, decision, due, load, queue, waiting, contacts, timers, roster, then in a transfer the
--       old reservation, its agent and lease, then for each candidate: agent, lease
-- ARGV  1 request digest ('': not remembered)          2 once lifetime ms     3 contact id        4 reservation id
--       5 decision id         6 pool                   7 channel              8 customer          9 basis
--       10 hold ms            11 first state (PENDING or ACCEPTED)            12 tolerance (-1: the longest idle)
--       13 record             14 decision lifetime ms  15 keep ms             16 events kept
--       17 how: 'new'; 'queue': a contact that waits is offered; 'transfer': an agent holds it and it is handed on;
--       'move': a transfer that waits is offered
--       18 wait ms ('': may not wait)                  19 what was written, sealed
--       20 head start ms      21 'full': wait where nobody has room; 'kept': only where somebody has who is kept for
--       those who wait already; '': do not wait               22 idle ms (0: always counts)
--       23 in a transfer the old reservation id
--       then for each candidate: id, affinity
-- Returns one of
--   {'held', agent, fence, cost, created ms, deadline ms, load stream id}
--   {'queued', score, waits until ms, load stream id}
--   {'replayed', reservation id, decision id, contact id}    this request was answered before, or this offer is made
--       already; '' where it was queued
--   {'reused'}                      the request id was used with another request
--   {'live', reservation id}        the contact is held
--   {'ended', state}                the contact has ended
--   {'state', state}                not as `how` demands: no agent holds it, or it does not wait
--   {'full', n, m}                  no candidate has room; nothing was written. n, m: the last events of the load stream
--       and of the roster's
local function reserve(keys, args)
  local now, micros = clock()
  if args[1] ~= '' then
    local before = redis.call('GET', keys[1])
    if before then
      local digest, reservation, decision, contact = string.match(before, '^(%x+)|([^|]*)|([^|]*)|(.*)$')
      if digest ~= args[1] then return {'reused'} end
      return {'replayed', reservation, decision, contact}
    end
  end

  local known = redis.call('EXISTS', keys[2]) == 1 and known_of(keys[2]) or {}
  local place = {
    contact = keys[2], load = keys[6], queue = keys[7], waiting = keys[8], contacts = keys[9], timers = keys[10],
    id = args[3], now = now, keep = tonumber(args[15]), events = args[16], known = known,
  }
  local how = args[17]
  local transfer, from_queue = how == 'transfer' or how == 'move', how == 'queue' or how == 'move'
  local live = (known.state == 'RESERVED' or known.state == 'ASSIGNED') and tonumber(known['until']) > now
  local unanswered
  if from_queue then
    if live and known.reservation == args[4] then return {'replayed', args[4], args[5], args[3]} end
    if not known.queued_in then return {'state', known.state or ''} end
  end
  if transfer then
    local holds = live and known.state == 'ASSIGNED' and known.reservation == args[23]
    if not holds then return {'state', known.state or ''} end
    unanswered = known.agent
  elseif how == 'queue' then
    if known.state ~= 'QUEUED' then return {'state', known.state} end
  elseif live then
    return {'live', known.reservation}
  elseif known.state == 'ASSIGNED' then
    return {'ended', 'EXPIRED'}
  elseif known.state == 'RESERVED' then
    unanswered = known.agent
  elseif known.state and known.state ~= 'QUEUED' then
    return {'ended', known.state}
  end

  local first, roomy, best, kept_back = transfer and 15 or 12, {}, nil, false
  local someone_waits, tolerance = redis.call('EXISTS', keys[8]) == 1, tonumber(args[12])
  for i = first, #keys, 2 do
    local id, affinity = args[24 + (i - first)], tonumber(args[25 + (i - first)])
    -- Nobody further from the best who has room than the tolerance is taken: they need no look.
    local too_far = best and tolerance >= 0 and affinity < best - tolerance
    local agent = too_far and {}
      or fields(keys[i], 'status', 'total', 'channels', 'idle', 'fence', 'pools', 'earmark', 'beat')
    local barred = too_far or id == unanswered or (agent.beat and tonumber(agent.beat) <= now)
    if not barred and known.state then
      local excluded_until = redis.call('HGET', keys[2], 'x:' .. id)
      barred = excluded_until and (excluded_until == '0' or tonumber(excluded_until) > now)
    end
    if agent.status == 'ONLINE' and not barred then
      local cost, most = channel_terms(agent.channels, args[7])
      if cost then
        local load, on_channel = live_load(keys[i + 1], now, args[7])
        local total = tonumber(agent.total)
        local room, kept = load + cost <= total and (most == 0 or on_channel < most), false
        if room and someone_waits and not from_queue then
          -- A slot that became free, also by a deadline nobody has written down yet, is first for those who wait.
          kept = (agent.earmark and tonumber(agent.earmark) > now)
            or (redis.call('ZCOUNT', keys[i + 1], '(' .. digits(now - place.keep), digits(now)) > 0
              and awaited(keys[8], agent.pools))
          kept_back = kept_back or kept
        end
        if room and not kept then
          roomy[#roomy + 1] = {
            id = id, affinity = affinity, used = load / total, idle = tonumber(agent.idle), cost = cost,
            fence = tonumber(agent.fence or 0), agent = keys[i], lease = keys[i + 1],
          }
          if not best or affinity > best then best = affinity end
        end
      end
    end
  end

  local created = tonumber(known.created or now)
  local waits = not from_queue and args[18] ~= '' and (transfer and now or created) + tonumber(args[18]) or nil
  -- Where somebody is kept for those who wait it waits beside them: it is weighed with them in a moment, and whom they do
  -- not need it is given.
  local stays = waits and (args[21] == 'full' or (args[21] == 'kept' and kept_back))
  if not best and not stays then return {'full', last_event(keys[6]), last_event(keys[11])} end

  -- What the contact's record says from here on.
  local set = {}
  if not from_queue and not transfer then
    set = {'channel', args[7], 'customer', args[8], 'created', digits(created)}
    redis.call('ZADD', keys[9], digits(created), args[3])
  end
  if unanswered then
    set[#set + 1], set[#set + 2] = 'x:' .. unanswered, '0'
  end

  if not best then
    local score = created - tonumber(args[20])
    if transfer then
      set[#set + 1], set[#set + 2] = 'moving', '1'
    else
      set[#set + 1], set[#set + 2] = 'pool', args[6]
      known.pool = args[6]
    end
    enqueue(place, args[6], score, waits)
    local told = step(place, transfer and 'ASSIGNED' or 'QUEUED', transfer and 'TRANSFER_ASKED' or 'NOBODY_FREE',
      transfer and known.reservation or '', transfer and known.agent or '', 'wait', '1', 'sealed', args[19],
      'waits', digits(waits), 'head', args[20], unpack(set))
    redis.call('PEXPIREAT', keys[2], digits(math.max(waits, tonumber(transfer and known['until'] or 0)) + place.keep))
    if args[1] ~= '' then redis.call('SET', keys[1], table.concat({args[1], '', '', args[3]}, '|'), 'PX', args[2]) end
    return {'queued', digits(score), digits(waits), told}
  end

  local taken
  for _, one in ipairs(roomy) do
    if tolerance < 0 then
      if not taken or one.idle < taken.idle then taken = one end
    elseif one.affinity >= best - tolerance then
      if not taken or one.used < taken.used or (one.used == taken.used and one.idle < taken.idle) then taken = one end
    end
  end

  local fence, accepted = math.max(taken.fence + 1, micros), args[11] == 'ACCEPTED'
  local deadline = now + tonumber(args[10])
  local at, cost = digits(deadline), digits(taken.cost)
  redis.call('HSET', taken.agent, 'fence', digits(fence))
  -- What lapsed so long ago that its reservation is forgotten, nobody else clears away.
  redis.call('ZREMRANGEBYSCORE', taken.lease, '-inf', digits(now - place.keep))
  redis.call('ZADD', taken.lease, at, lease_member(args[4], args[7], cost))
  redis.call('HSET', keys[3],
    'state', args[11], 'agent', taken.id, 'contact', args[3], 'decision', args[5], 'pool', args[6],
    'channel', args[7], 'cost', cost, 'fence', digits(fence), 'basis', args[9], 'created', digits(now),
    'deadline', at, 'accepted', accepted and digits(now) or '0')
  redis.call('PEXPIREAT', keys[3], digits(deadline + place.keep))
  redis.call('ZADD', keys[5], at, 'reservation|' .. args[4])
  if args[1] ~= '' then
    redis.call('SET', keys[1], table.concat({args[1], args[4], args[5], args[3]}, '|'), 'PX', args[2])
  end
  redis.call('HSET', keys[4], 'record', args[13], 'agent', taken.id, 'reservation', args[4], 'contact', args[3],
    'pool', args[6], 'created', digits(now))
  redis.call('PEXPIRE', keys[4], args[14])

  local lasts = deadline
  if someone_waits then dequeue(place) end
  if accepted or not (waits or from_queue) then
    if known.wait then unseal(place) end
  elseif waits then
    for _, one in ipairs({'wait', '1', 'sealed', args[19], 'waits', digits(waits), 'head', args[20]}) do
      set[#set + 1] = one
    end
    lasts = math.max(deadline, waits)
  else
    lasts = math.max(deadline, tonumber(known.waits))
  end
  if known.moving then redis.call('HDEL', keys[2], 'moving') end
  if accepted and args[22] ~= '0' then
    redis.call('ZADD', keys[10], digits(now + tonumber(args[22])), 'idle|' .. args[4])
  end
  local told = tell(keys[6], args[16], 'hold', taken.id, args[4], args[7], cost, at, digits(now))
  known.pool = args[6]
  step(place, accepted and 'ASSIGNED' or 'RESERVED', transfer and 'TRANSFERRED' or accepted and 'ACCEPTED' or 'OFFERED',
    args[4], taken.id, 'reservation', args[4], 'agent', taken.id, 'until', at, 'pool', args[6], unpack(set))
  redis.call('PEXPIREAT', keys[2], digits(lasts + place.keep))
  -- Only now that the new slot is held is the old one free.
  if transfer then hand_over(keys[12], keys[13], keys[14], place, keys[5], args[23]) end
  return {'held', taken.id, digits(fence), cost, digits(now), at, told}
end
