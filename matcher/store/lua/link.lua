-- Joins the handles of one customer. The records of the others go into that of the customer, and the others lead to it.
-- All lasts as long as what lasts longest of it. The caller lets those handles last as long that the call does not name.
-- Takes and answers: verbs.Link.

-- Keeps of the interests of two customers those of the later consent: a consent is for what it was given for.
local function merge_profile(from, into)
  local time, own = redis.call('HGET', from, 'time'), redis.call('HGET', into, 'time')
  if not time then return end
  if own and tonumber(own) >= tonumber(time) then
    redis.call('DEL', from)
  else
    redis.call('RENAME', from, into)
  end
end

-- Moves the record of a customer into another. Returns how many handles led to it.
local function merge_customer(from, into)
  local handles, record = 0, redis.call('HGETALL', from)
  for i = 1, #record, 2 do
    local name, value = record[i], record[i + 1]
    if name == 'handles' then
      handles = tonumber(value)
    elseif string.sub(name, 1, 2) == 'h:' then
      if value ~= '' or redis.call('HEXISTS', into, name) == 0 then redis.call('HSET', into, name, value) end
    elseif string.sub(name, 1, 2) == 'm:' or string.sub(name, 1, 2) == 'r:' then
      redis.call('HSET', into, name, value)
    elseif string.sub(name, 1, 2) == 'a:' then
      local other = redis.call('HGET', into, name)
      -- The later verdict on an agent counts: 'good|when|until'.
      if not other or tonumber(string.match(other, '|(%d+)|')) < tonumber(string.match(value, '|(%d+)|')) then
        local uid = 'u:' .. string.sub(name, 3)
        redis.call('HSET', into, name, value, uid, redis.call('HGET', from, uid) or '')
      end
    end
  end
  redis.call('DEL', from)
  return handles
end

local function link(key, arg)
  if redis.call('HGET', key.customer, '>') then return {'moved'} end
  for i = 1, #arg.others do
    if redis.call('HGET', key.others[i].customer, '>') then return {'moved'} end
  end
  for i = 1, #arg.handles do
    if (redis.call('GET', key.handles[i].handle) or '') ~= arg.handles[i].expected then return {'moved'} end
  end
  local handles = tonumber(redis.call('HGET', key.customer, 'handles') or 0)
  local now, joined = clock(), tonumber(redis.call('HGET', key.customer, 'joined') or 0)
  local lasts_ms = math.max(tonumber(arg.remember_ms), redis.call('PTTL', key.customer))
  for i = 1, #arg.others do
    local other = key.others[i].customer
    lasts_ms = math.max(lasts_ms, redis.call('PTTL', other))
    joined = math.max(joined, tonumber(redis.call('HGET', other, 'joined') or 0))
    handles = handles + merge_customer(other, key.customer)
    merge_profile(key.others[i].profile, key.profile)
    redis.call('HSET', key.customer, 'm:' .. arg.others[i].other_id, '')
    redis.call('ZREM', key.customers, arg.others[i].other_id)
  end
  for i = 1, #arg.others do
    redis.call('HSET', key.others[i].customer, '>', arg.customer_id)
    redis.call('PEXPIRE', key.others[i].customer, digits(lasts_ms))
  end
  for i = 1, #arg.handles do
    if arg.handles[i].expected == '' then handles = handles + 1 end
    redis.call('SET', key.handles[i].handle, arg.customer_id, 'PX', digits(lasts_ms))
    redis.call('HSET', key.customer, 'h:' .. arg.handles[i].digest, arg.handles[i].sealed)
  end
  redis.call('HSET', key.customer, 'handles', digits(handles),
    'joined', digits(math.max(joined, now + tonumber(arg.remember_ms))))
  redis.call('PEXPIRE', key.customer, digits(lasts_ms))
  list_customer(key.customers, arg.customer_id, now, lasts_ms)
  say_change(key.audit, arg.said)
  return {'linked', digits(handles), digits(lasts_ms), handle_digests(redis.call('HGETALL', key.customer))}
end
