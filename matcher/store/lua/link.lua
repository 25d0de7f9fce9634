-- Joins the handles of one customer. What was known of several is known of the first; the others lead to it.
-- KEYS  customers, then handles
-- ARGV  1 how many customers  2 ms it is remembered  then ids of the customers, then for each handle the customer it
--       is expected to lead to ('': none)
-- Returns {'linked', how many handles} or {'moved'} where a handle or a customer leads elsewhere by now
local function link(keys, args)
  local customers = tonumber(args[1])
  for i = 1, customers do
    if redis.call('HGET', keys[i], '>') then return {'moved'} end
  end
  for i = customers + 1, #keys do
    if (redis.call('GET', keys[i]) or '') ~= args[2 + i] then return {'moved'} end
  end
  local handles = tonumber(redis.call('HGET', keys[1], 'handles') or 0)
  for i = 2, customers do
    local known = redis.call('HGETALL', keys[i])
    for j = 1, #known, 2 do
      local name, said = known[j], known[j + 1]
      if name == 'handles' then
        handles = handles + tonumber(said)
      elseif string.sub(name, 1, 2) == 'a:' then
        local other = redis.call('HGET', keys[1], name)
        -- The later word counts: 'good|when|until'.
        if not other or tonumber(string.match(other, '|(%d+)|')) < tonumber(string.match(said, '|(%d+)|')) then
          redis.call('HSET', keys[1], name, said)
        end
      end
    end
    redis.call('DEL', keys[i])
    redis.call('HSET', keys[i], '>', args[3])
    redis.call('PEXPIRE', keys[i], args[2])
  end
  for i = customers + 1, #keys do
    if args[2 + i] == '' then handles = handles + 1 end
    redis.call('SET', keys[i], args[3], 'PX', args[2])
  end
  redis.call('HSET', keys[1], 'handles', digits(handles))
  redis.call('PEXPIRE', keys[1], args[2])
  return {'linked', digits(handles)}
end
