-- What is counted for callers, where quotas ask for it. `asked` is a sorted set whose scores are all 0, so that what a caller
-- has is found by how its members begin: 'o|caller|reservation' for an open offer, 'w|caller|contact' for a contact that
-- waits.

-- How long what a caller has asked for is counted after the last of it: longer than any contact may wait.
local ASKED_MS = 8 * 86400000

-- Counts something for the caller who has asked for it. `kind`: 'o' for an offer, 'w' for a contact that waits.
local function count_for(asked, kind, by, id)
  redis.call('ZADD', asked, 0, table.concat({kind, by, id}, '|'))
  redis.call('PEXPIRE', asked, ASKED_MS)
end

-- Stops counting it for the caller.
local function count_off(asked, kind, by, id)
  redis.call('ZREM', asked, table.concat({kind, by, id}, '|'))
end

-- Returns whether as much is counted for a caller as a quota allows; '0': there is no quota. What `truth` does not have,
-- or has with a score in the past, is no longer counted: it ended while no process ran.
local function is_used_up(asked, kind, by, most, truth, now)
  if most == '0' then return false end
  local begins = kind .. '|' .. by .. '|'
  local least, last = '[' .. begins, '(' .. begins .. '\255'
  if redis.call('ZLEXCOUNT', asked, least, last) < tonumber(most) then return false end
  for _, member in ipairs(redis.call('ZRANGE', asked, least, last, 'BYLEX')) do
    local score = redis.call('ZSCORE', truth, string.sub(member, #begins + 1))
    if not score or (now and tonumber(score) <= now) then redis.call('ZREM', asked, member) end
  end
  return redis.call('ZLEXCOUNT', asked, least, last) >= tonumber(most)
end
