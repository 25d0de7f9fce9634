-- Compares an agent's holds and deadlines with the records of reservations, and repairs what differs. Only a hold that a
-- live reservation's record asks for is true. A hold that no reservation of the call explains is left alone: it is new.
-- Takes and answers: verbs.AuditAgent.

-- Returns the member of the agent's holds that a record asks for, and its deadline; nil where it asks for none.
local function wanted_hold(record, reservation, agent)
  local deadline, cost = tonumber(record.deadline), record.counts or record.cost
  if not HOLDING[record.state] or record.agent ~= agent or not (deadline and record.channel and tonumber(cost)) then
    return nil
  end
  return hold_member(reservation, record.channel, cost), deadline
end

-- Returns the members of the agent's holds with their deadlines, by reservation; those without one under ''.
local function holds_by_reservation(holds)
  local found, flat = {}, redis.call('ZRANGE', holds, 0, -1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    local reservation = string.match(flat[i], '^([^|]+)|[^|]*|%d+$') or ''
    found[reservation] = found[reservation] or {}
    found[reservation][flat[i]] = tonumber(flat[i + 1])
  end
  return found
end

local function audit_agent(key, arg)
  local now, repairs, freed = clock(), {}, false
  local function repaired(kind, reservation) repairs[#repairs + 1] = kind .. '|' .. reservation end
  local function remove(kind, member, reservation, at)
    redis.call('ZREM', key.holds, member)
    repaired(kind, reservation)
    if at > now then
      freed = true
      append(key.load, arg.events_kept, 'free', arg.agent_id, reservation, '', digits(now))
    end
  end
  local found = holds_by_reservation(key.holds)
  for member, at in pairs(found[''] or {}) do remove('HOLD_UNREADABLE', member, '', at) end
  for i = 1, #arg.reservations do
    local id, due_member = arg.reservations[i].id, 'reservation|' .. arg.reservations[i].id
    local record = fields(key.reservations[i].reservation, 'state', 'agent', 'channel', 'cost', 'counts', 'deadline')
    local wanted, deadline = wanted_hold(record, id, arg.agent_id)
    local held = found[id] or {}
    for member, at in pairs(held) do
      -- A lapsed hold whose record is forgotten holds nothing; the next reserve clears it away.
      if member ~= wanted and (at > now or record.state) then remove('HOLD_UNBACKED', member, id, at) end
    end
    local due = tonumber(redis.call('ZSCORE', key.due, due_member) or nil)
    if wanted then
      -- A lapsed hold of an agent who was removed since is no member of holds, and its lapse is not written yet.
      if held[wanted] ~= deadline and (held[wanted] or deadline > now) then
        redis.call('ZADD', key.holds, digits(deadline), wanted)
        repaired(held[wanted] and 'HOLD_DEADLINE' or 'HOLD_MISSING', id)
        append(key.load, arg.events_kept, 'hold', arg.agent_id, id, record.channel, record.counts or record.cost,
          digits(deadline), digits(now))
      end
      if due ~= deadline then
        redis.call('ZADD', key.due, digits(deadline), due_member)
        note_due(key.life, digits(deadline))
        repaired('DUE', id)
      end
    elseif due and (not HOLDING[record.state] or record.agent == arg.agent_id) then
      redis.call('ZREM', key.due, due_member)
      repaired('DUE_UNBACKED', id)
    end
  end
  if freed then earmark(key.agent, key.waiting, now) end
  return {'audited', repairs}
end
