-- What every verb shares. Times are milliseconds of the store's clock, which stands still inside a call.
--
-- In all files `key.<name>` and `arg.<name>` are the keys and arguments of a call by the names of its class in verbs/;
-- redis/lua_names.py replaces them by positions when the library is built.

-- Returns the calls of a list of calls, each as {key = its keys, arg = its arguments}. The numbers of each call's keys
-- and arguments follow the length of the list, then come all keys and all arguments.
local function read_calls(keys, args, length)
  local calls, k, a = {}, 0, 1 + 2 * length
  for n = 1, length do
    local key, arg = {}, {}
    for i = 1, tonumber(args[2 * n]) do key[i] = keys[k + i] end
    for i = 1, tonumber(args[2 * n + 1]) do arg[i] = args[a + i] end
    k, a = k + #key, a + #arg
    calls[n] = {key = key, arg = arg}
  end
  return calls
end

-- Returns the time in milliseconds and in microseconds.
local function clock()
  local time = redis.call('TIME')
  local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
  return math.floor(micros / 1000), micros
end

-- Numbers reach Redis as whole decimal digits: Lua would write 1.7e+15.
local function digits(number)
  return string.format('%.0f', number)
end

-- What is noted as due next in the site of the call, as no_site has read it and note_due has written it since.
local noted_due

-- Returns the answer of a verb whose site does not exist or is being deleted, nil for a site that lives. The library calls
-- it before every verb but those of sites, so that a call under way cannot write into a site that is being deleted.
local function no_site(life)
  local found = redis.call('HMGET', life, 'state', 'due')
  if found[1] ~= 'ACTIVE' then return {'no_site'} end
  noted_due = tonumber(found[2] or nil)
end

-- Notes that something of the site is due at a time, in digits. `due` is the earliest such time or an earlier time:
-- next_due makes it exact again.
local function note_due(life, at)
  if noted_due and noted_due <= tonumber(at) then return end
  redis.call('HSET', life, 'due', at)
  noted_due = tonumber(at)
end

-- Appends an event to a stream that keeps about `most` of them, and returns its id. The ids are 0-1, 0-2, …: a reader
-- that misses one knows that it was trimmed away.
local function append(stream, most, ...)
  return redis.call('XADD', stream, 'MAXLEN', '~', most, '0-*', 'e', table.concat({...}, '|'))
end

-- Writes what a change has to say for the audit trail; '': the change is not audited. A call in progress may come from a
-- process that dies: what is written here is chained by any other.
local function say_change(audit, said)
  if said ~= '' then append(audit, 100000, digits(clock()), said) end
end

-- Returns the number of a stream's last event, 0 where there is none.
local function last_event(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return last[1] and string.match(last[1][1], '%d+$') or '0'
end

-- Returns whether a caller reaches something that is in these pools. `scope` is ';a;b;', '' for all pools, and `pools` is
-- one id, or ';a;b;'.
local function in_scope(scope, pools)
  if scope == '' then return true end
  for pool in string.gmatch(pools or '', '([^;]+)') do
    if string.find(scope, ';' .. pool .. ';', 1, true) then return true end
  end
  return false
end

-- Returns whether a sorted set has as many members as a quota allows; '0': there is no quota.
local function is_full(set, most)
  return most ~= '0' and redis.call('ZCARD', set) >= tonumber(most)
end

-- Returns a reservation as a member of its agent's holds.
local function hold_member(reservation, channel, cost)
  return reservation .. '|' .. channel .. '|' .. cost
end

-- Returns the sum of an agent's live costs, and how many of the holds are of the channel. An idle conversation costs
-- nothing and is not counted; nor is a hold that cannot be read, which the audit removes.
local function live_load(holds, now, channel)
  local load, on_channel = 0, 0
  for _, member in ipairs(redis.call('ZRANGE', holds, '(' .. digits(now), '+inf', 'BYSCORE')) do
    local held_channel, cost = string.match(member, '|([^|]*)|(%d+)$')
    load = load + (tonumber(cost) or 0)
    if held_channel == channel and cost ~= '0' then on_channel = on_channel + 1 end
  end
  return load, on_channel
end

-- Returns a channel's cost and the most an agent has of it at once (0: any number); nil where the agent does not serve
-- the channel. `channels` is ';chat=30/3;voice=100/1;'.
local function channel_terms(channels, channel)
  local _, after = string.find(channels, ';' .. channel .. '=', 1, true)
  if not after then return nil end
  local cost, most = string.match(channels, '^(%d+)/(%d+);', after + 1)
  return tonumber(cost), tonumber(most)
end

-- Returns what a contact of the channel costs an agent, the agent's load over the total, and the load; nil and the
-- constraint that is not met where the agent does not serve the channel or has too little free capacity.
local function free_capacity(record, holds, now, channel)
  local cost, most = channel_terms(record.channels, channel)
  if not cost then return nil, 'CHANNEL' end
  local load, on_channel = live_load(holds, now, channel)
  local total = tonumber(record.total)
  if load + cost > total or (most > 0 and on_channel >= most) then return nil, 'CAPACITY' end
  return cost, load / total, load
end

-- Versions grow, also when an id is deleted and created again: the store's microseconds, or the last version plus 1.
local function next_version(version, micros)
  return digits(math.max(tonumber(version or 0) + 1, micros))
end

-- Gives a record without a uid one, as those of an earlier version are. A uid is never used again: a new record under a
-- removed id has another.
local function keep_uid(key, uid)
  if not redis.call('HGET', key, 'uid') then redis.call('HSET', key, 'uid', uid) end
end

-- Returns whether a uid that was noted is that of an agent; a uid that an earlier version did not note may be.
local function is_same(noted, record)
  return not noted or noted == '' or not record.uid or noted == record.uid
end

-- Reads some fields of a hash; a field that is missing is nil.
local function fields(key, ...)
  local names, values, found = {...}, redis.call('HMGET', key, ...), {}
  for i, name in ipairs(names) do found[name] = values[i] or nil end
  return found
end

-- How long an agent with new free capacity is earmarked for the contacts that wait, in milliseconds. A leader gives the
-- agent back as soon as it knows that none of these contacts may come to the agent, mostly within milliseconds. So this
-- is for a leader that dies (its lease is 1 s, and the next leader needs another) or that a busy machine holds up.
local EARMARK_MS = 5000

-- Returns whether a contact waits in one of an agent's pools. `pools` is ';a;b;', `waiting` the counts by pool.
local function has_waiting(waiting, pools)
  for pool in string.gmatch(pools or '', '([^;]+)') do
    if tonumber(redis.call('HGET', waiting, pool) or 0) > 0 then return true end
  end
  return false
end

-- Earmarks an agent for the contacts that wait: until then no new message may take the capacity before them. An earmark
-- of a time that is still to come was made before the clock went back: it does not count.
local function earmark(agent, waiting, now)
  local pools = redis.call('HGET', agent, 'pools')
  if pools and has_waiting(waiting, pools) then
    redis.call('HSET', agent, 'earmark', digits(now + EARMARK_MS), 'earmarked', digits(now))
  end
end

-- Sets an agent AWAY and writes why. Returns whether this call did.
local function set_away(agent, roster, events_kept, id, reason, now, micros, ...)
  local before = fields(agent, 'status', 'version')
  if before.status ~= 'ONLINE' and before.status ~= 'DRAINING' then return false end
  local version = next_version(before.version, micros)
  redis.call('HDEL', agent, 'why')
  redis.call('HSET', agent, 'status', 'AWAY', 'reason', reason, 'version', version, 'updated', digits(now), ...)
  append(roster, events_kept, 'agent', id, version, digits(now))
  return true
end

-- Returns the digests of a customer's handles; an earlier version did not note them. `record`: names and values in turn.
local function handle_digests(record)
  local digests = {}
  for i = 1, #record, 2 do
    if string.sub(record[i], 1, 2) == 'h:' then digests[#digests + 1] = string.sub(record[i], 3) end
  end
  return digests
end

-- Stores a customer's sealed handle where the record has only its digest, as an earlier version left it.
local function learn_handle(customer, digest, sealed)
  local known = redis.call('HGET', customer, 'h:' .. digest)
  if not known or known == '' then redis.call('HSET', customer, 'h:' .. digest, sealed) end
end

-- Puts a customer on the list, until when anything is remembered of the customer, and takes those off whose time is over.
local function list_customer(list, customer, now, lasts_ms)
  redis.call('ZREMRANGEBYSCORE', list, '-inf', digits(now))
  redis.call('ZADD', list, digits(now + lasts_ms), customer)
  redis.call('PEXPIREAT', list, redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')[2])
end

-- Returns the answer to a write that expects another version than there is ('': any; '0': must not exist), or nil.
local function version_conflict(version, expected)
  if expected == '' then return nil end
  if expected == '0' then return version and {'exists'} or nil end
  if not version then return {'gone'} end
  if version ~= expected then return {'mismatch', version} end
end

-- Records an outcome of a contact's life: in the outbox, from where the ledger takes it, and for a while beside the
-- contact. Returns whether it was new: the same value again changes nothing. `said`: the value and the place; `observed`: '':
-- now.
local function note_outcome(outcomes, outbox, most, kept_ms, contact, born, field, said, observed, facts, now)
  local before = redis.call('HGET', outcomes, field)
  -- 'value|place|observed|recorded': observed at another time the same value is the same.
  if before and string.match(before, '^[^|]*|[^|]*') == said then return false end
  if observed == '' then observed = now end
  redis.call('HSET', outcomes, field, table.concat({said, observed, now}, '|'))
  redis.call('PEXPIRE', outcomes, kept_ms)
  append(outbox, most, 'OUTCOME', contact, born, now, '0', '', '', '', '', facts .. 'observed=' .. observed .. ';')
  return true
end
