-- Takes or keeps the lease of a site's dispatcher. It spares double work; two dispatchers harm nobody.
-- KEYS  dispatcher, load
-- ARGV  1 id of this process  2 lease ms
-- Returns {'leads', the load stream's last event}: whoever offers knows all that was told before, or {'follows', ms until the lease of another ends}
local function lead(keys, args)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= args[1] then return {'follows', digits(math.max(redis.call('PTTL', keys[1]), 1))} end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return {'leads', last_event(keys[2])}
end
