-- Counts what contacts bring up: how many contacts bring an entry up ('c:'), for how many of them nobody who shares it was
-- free ('f:'), and how many people brought it up ('p:'). Who they are is kept as a HyperLogLog until shortly after the day.
-- Takes and answers: verbs.Hear.
local function hear(key, arg)
  -- What a process gathered of a former site is of nobody in the one that has the id now.
  if redis.call('HGET', key.life, 'uid') ~= arg.life_uid then return {'ended'} end
  local counted, brought, alone, met = 0, {}, {}, {}
  for n = 1, #arg.contacts do
    local contact = key.contacts[n].contact
    -- A contact that is routed again is not counted again. One whose record is gone cannot be routed again.
    if redis.call('EXISTS', contact) == 0 or redis.call('HSETNX', contact, 'heard', '1') == 1 then
      counted = counted + 1
      for place, unmet in string.gmatch(arg.contacts[n].brings, '(%d+)(!?);') do
        local at = tonumber(place)
        brought[at] = (brought[at] or 0) + 1
        if unmet == '!' then alone[at] = (alone[at] or 0) + 1 end
        redis.call('PFADD', key.entries[at].people, arg.contacts[n].person)
        met[at] = true
      end
    end
  end
  if counted == 0 then return {'ok', '0'} end
  redis.call('HINCRBY', key.heard, 'n', counted)
  for at in pairs(met) do
    local entry, people = arg.entries[at].entry, key.entries[at].people
    redis.call('HINCRBY', key.heard, 'c:' .. entry, brought[at])
    if alone[at] then redis.call('HINCRBY', key.heard, 'f:' .. entry, alone[at]) end
    redis.call('HSET', key.heard, 'p:' .. entry, redis.call('PFCOUNT', people))
    redis.call('PEXPIREAT', people, arg.people_until)
  end
  redis.call('PEXPIREAT', key.heard, arg.heard_until)
  return {'ok', digits(counted)}
end
