-- Joins the handles of one customer. What several customers' records hold goes into the first; the others lead to it.
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
        redis.call('HSET', into, name, value)
      end
    end
  end
  redis.call('DEL', from)
  return handles
end

local function link(_, arg)
  local first = arg.customers[1]
  for _, customer in ipairs(arg.customers) do
    if redis.call('HGET', customer.customer, '>') then return {'moved'} end
  end
  for _, handle in ipairs(arg.handles) do
    if (redis.call('GET', handle.handle) or '') ~= handle.expected then return {'moved'} end
  end
  local handles = tonumber(redis.call('HGET', first.customer, 'handles') or 0)
  for i, customer in ipairs(arg.customers) do
    if i > 1 then
      handles = handles + merge_customer(customer.customer, first.customer)
      redis.call('HSET', customer.customer, '>', first.id)
      redis.call('PEXPIRE', customer.customer, arg.remember_ms)
    end
  end
  for _, handle in ipairs(arg.handles) do
    if handle.expected == '' then handles = handles + 1 end
    redis.call('SET', handle.handle, first.id, 'PX', arg.remember_ms)
  end
  redis.call('HSET', first.customer, 'handles', digits(handles))
  redis.call('PEXPIRE', first.customer, arg.remember_ms)
  return {'linked', digits(handles)}
end
