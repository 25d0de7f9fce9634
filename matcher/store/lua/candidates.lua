-- The candidates of a reserve: which of them the contact may come to, what it costs each, and which is held. `attempt` is what
-- open_attempt of reserve.lua returns; `record` is an agent's.

-- Returns whether an agent is excluded from the contact at this time. `record` is the agent's.
local function is_excluded(attempt, id, record)
  if id == attempt.previous_agent and is_same(attempt.previous_uid, record) then return true end
  if not attempt.record.state then return false end
  local excluded = redis.call('HMGET', attempt.key.contact, 'x:' .. id, 'u:' .. id)
  local excluded_until = excluded[1]
  if not excluded_until or (excluded_until ~= '0' and tonumber(excluded_until) <= attempt.now) then return false end
  return is_same(excluded[2], record)
end

-- Returns whether an agent is ONLINE and not silent.
local function is_there(attempt, record)
  return record.status == 'ONLINE' and not (record.beat and tonumber(record.beat) <= attempt.now)
end

-- Returns whether a transfer's contact began before every contact that waits: then it overtakes none of them.
local function is_eldest(attempt)
  if not attempt.transfer then return false end
  local first = redis.call('ZRANGE', attempt.key.queue, 0, 0, 'WITHSCORES')
  return tonumber(attempt.record.created) - tonumber(attempt.arg.head_start_ms) <= (tonumber(first[2]) or 0)
end

-- Returns whether an agent's free capacity is for the contacts that wait: the agent is earmarked, or a hold has lapsed
-- and no replica has written that yet.
local function is_kept(attempt, record, holds)
  local now = attempt.now
  if is_eldest(attempt) then return false end
  if record.earmark and tonumber(record.earmark) > now and tonumber(record.earmarked or 0) <= now then return true end
  local since = '(' .. digits(attempt.now - attempt.contact.keep_ms)
  return redis.call('ZCOUNT', holds, since, digits(attempt.now)) > 0 and has_waiting(attempt.key.waiting, record.pools)
end

-- Returns what the contact costs an agent, the agent's load over the total, and the load; nil and the constraint that is not
-- met, 'GONE' where there is no such agent. `record` is the agent's.
local function terms_of(attempt, id, record, holds)
  if not record.status then return nil, 'GONE' end
  if is_excluded(attempt, id, record) then return nil, 'EXCLUDED' end
  if not is_there(attempt, record) then return nil, 'STATUS' end
  local cost, utilisation, load = free_capacity(record, holds, attempt.now, attempt.arg.channel)
  if cost and attempt.someone_waits and not attempt.from_queue and is_kept(attempt, record, holds) then
    return nil, 'KEPT_FOR_WAITING'
  end
  return cost, utilisation, load
end

-- Returns what is kept of a candidate for a decision's record: 'agent|load|total|idle since'.
local function seen_of(id, record, load)
  return id .. '|' .. digits(load) .. '|' .. record.total .. '|' .. (record.idle or '0')
end

-- Returns the candidates with enough free capacity, the best affinity among them (nil: there is no candidate), and
-- whether a candidate would have been one but is kept for the contacts that wait. Notes what kept the others from it, and
-- what was seen of each: by that the choice can be made again.
local function free_candidates(attempt)
  local key, arg, free, best, kept_back = attempt.key, attempt.arg, {}, nil, false
  attempt.refused, attempt.seen = {}, {}
  local tolerance = tonumber(arg.tolerance)
  for i = 1, #arg.candidates do
    local agent, holds, id = key.candidates[i].agent, key.candidates[i].holds, arg.candidates[i].id
    local affinity = tonumber(arg.candidates[i].affinity)
    -- A candidate farther from the best than the tolerance is never chosen, so it need not be read.
    if not best or tolerance < 0 or affinity >= best - tolerance then
      local record = fields(agent, 'status', 'total', 'channels', 'idle', 'fence', 'pools', 'earmark',
        'earmarked', 'beat', 'uid')
      local cost, utilisation, load = terms_of(attempt, id, record, holds)
      attempt.seen[#attempt.seen + 1] = cost and seen_of(id, record, load) or id .. '|' .. utilisation
      if not cost then
        attempt.refused[#attempt.refused + 1] = utilisation
        kept_back = kept_back or utilisation == 'KEPT_FOR_WAITING'
      else
        free[#free + 1] = {
          id = id, affinity = affinity, utilisation = utilisation, idle = tonumber(record.idle), cost = cost,
          fence = tonumber(record.fence or 0), agent = agent, holds = holds, uid = record.uid or '',
        }
        if not best or affinity > best then best = affinity end
      end
    end
  end
  return free, best, kept_back
end

-- Returns the candidate to hold: of those within the tolerance of the best affinity (below 0: of all) the least
-- utilised, of equals the longest idle.
local function choose(free, best, tolerance)
  local chosen
  for _, candidate in ipairs(free) do
    if tolerance < 0 or candidate.affinity >= best - tolerance then
      if not chosen or candidate.utilisation < chosen.utilisation
          or (candidate.utilisation == chosen.utilisation and candidate.idle < chosen.idle) then
        chosen = candidate
      end
    end
  end
  return chosen
end

-- Returns the constraints that an agent does not meet, as ';POOL;STATUS;': those of the call, and those that only the store
-- knows at this moment.
local function unmet_by_hand(attempt, id, record, cost)
  local arg, unmet = attempt.arg, attempt.arg.by_hand[1].unmet
  local function note(constraint, met)
    if not met and not string.find(unmet, ';' .. constraint .. ';', 1, true) then unmet = unmet .. constraint .. ';' end
  end
  note('POOL', string.find(record.pools or '', ';' .. arg.pool_id .. ';', 1, true))
  note('EXCLUDED', not is_excluded(attempt, id, record))
  note('CHANNEL', cost)
  note('STATUS', is_there(attempt, record))
  return unmet
end

-- Returns an agent's load and the holds of the channel, without the offer that the assignment withdraws.
local function load_by_hand(attempt, id, holds)
  local key, arg = attempt.key, attempt.arg
  local load, on_channel = live_load(holds, attempt.now, arg.channel)
  if attempt.withdraws and attempt.record.agent == id then
    local old = fields(key.handed_on[1].reservation, 'channel', 'cost')
    load = load - tonumber(old.cost)
    if old.channel == arg.channel then on_channel = on_channel - 1 end
  end
  return load, on_channel
end

-- Returns the one agent to whom the contact is assigned by hand; nil and the answer where that cannot be.
local function choose_by_hand(attempt)
  local key, arg = attempt.key, attempt.arg
  local agent, holds, id = key.candidates[1].agent, key.candidates[1].holds, arg.candidates[1].id
  local record = fields(agent, 'status', 'total', 'channels', 'idle', 'fence', 'pools', 'beat', 'uid', 'profile_version')
  if not record.status or not in_scope(arg.scope, record.pools) then return nil, {'no_agent'} end
  -- The agent has another profile than when the caller compared it.
  if (record.profile_version or '0') ~= arg.by_hand[1].profile_version then
    return nil, {'moved', attempt.record.reservation or ''}
  end
  local cost, most = channel_terms(record.channels, arg.channel)
  local unmet, ignored = {}, {}
  for constraint in string.gmatch(unmet_by_hand(attempt, id, record, cost), '[^;]+') do
    local known = string.find(arg.by_hand[1].ignored, ';' .. constraint .. ';', 1, true)
    table.insert(known and ignored or unmet, constraint)
  end
  if #unmet > 0 then return nil, {'unmet', table.concat(unmet, ',')} end
  cost, most = cost or 1, most or 0
  local load, on_channel = load_by_hand(attempt, id, holds)
  local total = tonumber(record.total)
  local over = load + cost > total or (most > 0 and on_channel >= most)
  if over and arg.by_hand[1].over == '' then return nil, {'agent_full', digits(load), digits(total)} end
  attempt.seen = {seen_of(id, record, load)}
  return {
    id = id, cost = cost, fence = tonumber(record.fence or 0), agent = agent, holds = holds, uid = record.uid or '',
    over = over, ignored = table.concat(ignored, ','),
  }
end

-- How many candidates the ledger is told of, with what the store saw of each. The decision's record has all.
local MOST_SEEN = 8

-- Returns who made an assignment by hand, and why, as facts for the ledger: a fact ends with a semicolon.
local function facts_by_hand(arg)
  local actor = string.gsub(arg.by_hand[1].actor, ';', ',')
  local reason = string.gsub(arg.by_hand[1].reason, ';', ',')
  return (actor ~= '' and 'actor=' .. actor .. ';' or '') .. (reason ~= '' and 'reason=' .. reason .. ';' or '')
end

-- Notes for the ledger what is known of the choice. `chosen` nil: the contact waits.
local function note_facts(attempt, chosen)
  local arg = attempt.arg
  if arg.outbox_kept == '0' then return end
  local facts = 'channel=' .. arg.channel .. ';'
  if not attempt.record.sequence and arg.customer_digest ~= '' then
    facts = facts .. 'customer=' .. arg.customer_digest .. ';'
  end
  if not attempt.record.sequence and attempt.record.arm then facts = facts .. 'draw=' .. attempt.record.arm .. ';' end
  if chosen then
    if arg.compared ~= '' then facts = facts .. 'compared=' .. arg.compared .. ';' end
    facts = facts .. 'basis=' .. arg.basis .. ';'
    if chosen.affinity then facts = facts .. string.format('affinity=%.4f;', chosen.affinity) end
    if chosen.utilisation then facts = facts .. string.format('utilization=%.4f;', chosen.utilisation) end
    facts = facts .. 'seen=' .. table.concat(attempt.seen, ',', 1, math.min(#attempt.seen, MOST_SEEN)) .. ';'
    if arg.kind == 'assign' then facts = facts .. facts_by_hand(arg) end
    facts = facts .. arg.facts
  end
  attempt.contact.facts = facts
end
