-- Joins the handles of one customer. The records of the others go into that of the customer, and the others lead to it.
-- Takes and answers: verbs.Link.

-- Moves the record of a customer into another. Returns how many handles led to it.
local function merge_customer(from, into)
  local handles, record = 0, redis.call('HGETALL', from)
  for i = 1, #record, 2 do
    local name, value = record[i], record[i + 1]
    if name == 'handles' then
      handles = tonumber(value)
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
  for i = 1, #arg.others do
    local other = key.others[i].customer
    handles = handles + merge_customer(other, key.customer)
    redis.call('HSET', other, '>', arg.customer_id)
    redis.call('PEXPIRE', other, arg.remember_ms)
  end
  for i = 1, #arg.handles do
    if arg.handles[i].expected == '' then handles = handles + 1 end
    redis.call('SET', key.handles[i].handle, arg.customer_id, 'PX', arg.remember_ms)
  end
  redis.call('HSET', key.customer, 'handles', digits(handles))
  redis.call('PEXPIRE', key.customer, arg.remember_ms)
  return {'linked', digits(handles)}
end
