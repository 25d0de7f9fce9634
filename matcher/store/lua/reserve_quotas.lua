-- What a reserve asks of quotas: of the site, and of the caller in it. `attempt`: see reserve.lua.

-- Returns the answer where the site, or the caller, has as many open offers as may be, else nil. An offer of the queue
-- is counted and not refused: the contact waited for it.
local function check_offers(attempt)
  local key, arg, now = attempt.key, attempt.arg, attempt.now
  if arg.by == '' or arg.state ~= 'PENDING' or attempt.from_queue or attempt.withdraws then return nil end
  if arg.most_offers ~= '0' then
    redis.call('ZREMRANGEBYSCORE', key.offers, '-inf', digits(now))
    if is_full(key.offers, arg.most_offers) then return {'quota', 'open_offers|' .. arg.most_offers} end
  end
  if is_used_up(key.asked, 'o', arg.by, arg.most_own_offers, key.offers, now) then
    return {'quota', 'own_open_offers|' .. arg.most_own_offers}
  end
end

-- Returns the answer where as many contacts wait as may, in the site or for the caller, else nil. A contact that comes
-- back into the queue is not refused.
local function check_waiting(attempt)
  local key, arg = attempt.key, attempt.arg
  if attempt.record.queued_in then return nil end
  if is_full(key.queue, arg.most_waiting) then return {'quota', 'waiting_contacts|' .. arg.most_waiting} end
  if arg.by ~= '' and is_used_up(key.asked, 'w', arg.by, arg.most_own_waiting, key.queue) then
    return {'quota', 'own_waiting_contacts|' .. arg.most_own_waiting}
  end
end

-- Returns the answer of the quota that the call would go beyond, nil for none. `chosen` nil: the contact is to wait.
local function check_quotas(attempt, chosen)
  if chosen then return check_offers(attempt) end
  return check_waiting(attempt)
end

-- Adds to the changes of a contact's record which caller's the contact is from now on, where quotas of callers are counted.
local function note_caller(attempt, changes)
  local record, by = attempt.record, attempt.arg.by
  if by == '' then return end
  if record.by and record.by ~= by then count_off(attempt.key.asked, 'w', record.by, attempt.arg.contact_id) end
  record.by = by
  changes[#changes + 1], changes[#changes + 2] = 'by', by
end

-- Counts an offer for the site, and for the caller whose contact it is, where there are such quotas.
local function count_offer(attempt, at)
  local key, arg, by = attempt.key, attempt.arg, attempt.record.by
  if arg.by ~= '' and not attempt.from_queue then by = arg.by end
  if arg.state ~= 'PENDING' or not by then return end
  redis.call('HSET', key.reservation, 'by', by)
  redis.call('ZADD', key.offers, at, arg.reservation_id)
  count_for(key.asked, 'o', by, arg.reservation_id)
end
