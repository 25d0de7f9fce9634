-- Compares contacts, the queue and the counts of waiting contacts, and repairs what differs. The contact's record is
-- true: a contact that may wait and has no agent, or whose transfer waits, is in the queue, and no other contact is.
-- Takes and answers: verbs.AuditQueue.

-- Returns whether a contact's record says that it waits.
local function is_waiting(record)
  return record.wait and (record.state == 'QUEUED' or (record.state == 'ASSIGNED' and record.moving))
end

-- Makes the numbers of waiting contacts by pool those of the contacts that the same hash names.
local function audit_counts(waiting, repaired)
  local flat, counted, stored = redis.call('HGETALL', waiting), {}, {}
  for i = 1, #flat, 2 do
    if string.sub(flat[i], 1, 1) == '|' then
      counted[flat[i + 1]] = (counted[flat[i + 1]] or 0) + 1
    else
      stored[flat[i]] = tonumber(flat[i + 1]) or -1
    end
  end
  for pool, count in pairs(counted) do
    if stored[pool] ~= count then
      redis.call('HSET', waiting, pool, digits(count))
      repaired('COUNT', pool)
    end
  end
  for pool in pairs(stored) do
    if not counted[pool] then
      redis.call('HDEL', waiting, pool)
      repaired('COUNT', pool)
    end
  end
end

local function audit_queue(key, arg)
  local now, repairs = clock(), {}
  local function repaired(kind, id) repairs[#repairs + 1] = kind .. '|' .. id end
  for i = 1, #arg.contacts do
    local id, contact = arg.contacts[i].id, key.contacts[i].contact
    local record = fields(contact, 'state', 'wait', 'moving', 'queued_in', 'score', 'waits', 'pool', 'created', 'head')
    local at, pool = redis.call('ZSCORE', key.queue, id), redis.call('HGET', key.waiting, '|' .. id)
    local aged = tonumber(record.created) and tonumber(record.head) and tonumber(record.created) - tonumber(record.head)
    local score, queued_in = tonumber(record.score) or tonumber(at or nil) or aged, record.queued_in or pool or record.pool
    if is_waiting(record) and score and queued_in then
      if tonumber(record.score) ~= score or record.queued_in ~= queued_in then
        redis.call('HSET', contact, 'score', digits(score), 'queued_in', queued_in)
        repaired('PLACE_FORGOTTEN', id)
      end
      if pool ~= queued_in then
        redis.call('HSET', key.waiting, '|' .. id, queued_in)
        repaired('POOL', id)
      end
      if tonumber(at or nil) ~= score then
        redis.call('ZADD', key.queue, digits(score), id)
        note_due(key.life, digits(now))
        repaired('PLACE', id)
      end
      if pool ~= queued_in or tonumber(at or nil) ~= score then
        append(key.load, arg.events_kept, 'place', id, queued_in, digits(score), digits(now))
      end
      if tonumber(record.waits) and not redis.call('ZSCORE', key.timers, 'contact|' .. id) then
        redis.call('ZADD', key.timers, record.waits, 'contact|' .. id)
        note_due(key.life, record.waits)
        append(key.load, arg.events_kept, 'timer', record.waits, digits(now))
        repaired('WAIT_ENDLESS', id)
      end
    elseif not is_waiting(record) and (at or pool or record.queued_in) then
      redis.call('ZREM', key.queue, id)
      redis.call('HDEL', key.waiting, '|' .. id)
      redis.call('HDEL', contact, 'score', 'queued_in')
      append(key.load, arg.events_kept, 'place', id, pool or record.queued_in or '', '', digits(now))
      repaired('PLACE_UNBACKED', id)
    end
  end
  audit_counts(key.waiting, repaired)
  return {'audited', repairs}
end
