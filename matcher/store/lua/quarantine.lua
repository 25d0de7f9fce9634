-- Takes a contact that cannot be read, or whose message cannot be opened, out of the queue, so that the others are served.
-- What was stored is kept aside until the wait would be over; the contact's new record has what can be read of it.
-- Takes and answers: verbs.Quarantine.

local QUARANTINE_NUMBERS = {'until', 'created', 'waits', 'head', 'score', 'sequence'}

-- Returns a contact's record without numbers and steps that cannot be read.
local function readable_record(contact)
  local record = contact_record(contact)
  for _, name in ipairs(QUARANTINE_NUMBERS) do
    if not tonumber(record[name]) then record[name] = nil end
  end
  for entry in string.gmatch(record.history or '', '([^;]+)') do
    if not string.match(entry, '^%d+|[A-Z]+|[A-Z_]+|[%w%-_.:~]*|[%w%-_.:~]*|%d+$') then record.history = nil end
  end
  if string.gsub(record.pools or '', '%d+=[%w%-_.:~]*;', '') ~= '' then record.pools = nil end
  if record.history and string.sub(record.history, -1) ~= ';' then record.history = nil end
  return record
end

-- Returns the fields of a hash that a new record of the contact takes over, and their values.
local function readable_fields(whole)
  local kept = {}
  for i = 1, #whole, 2 do
    local name, value = whole[i], whole[i + 1]
    local excluded = string.match(name, '^x:[%w%-_.:~]+$') and string.match(value, '^%d+$')
      or string.match(name, '^u:[%w%-_.:~]+$') and string.match(value, '^[%x-]+$')
    local word = (name == 'channel' or name == 'customer') and string.match(value, '^[%g ]*$')
    local arm = name == 'arm' and string.match(value, '^%u+|[%d.e-]+$')
    if excluded or word or arm then kept[#kept + 1], kept[#kept + 2] = name, value end
  end
  return kept
end

local function quarantine(key, arg)
  local now, id = clock(), arg.contact_id
  if not redis.call('ZSCORE', key.queue, id) then return {'gone'} end
  local whole = redis.pcall('HGETALL', key.contact)
  if (whole.err and '' or redis.sha1hex(table.concat(whole))) ~= arg.seen then return {'changed'} end
  local record = whole.err and {} or readable_record(key.contact)
  local contact = contact_of(key, arg, now, record)
  if record.state == 'ASSIGNED' and record.agent and (tonumber(record['until']) or 0) > now then
    -- A transfer that waits: the conversation goes on with the agent it has.
    dequeue(contact)
    restore_requirements(contact)
    unseal(contact)
    redis.call('HDEL', key.contact, 'x:' .. record.agent, 'u:' .. record.agent)
    step(contact, 'ASSIGNED', 'UNREADABLE', record.reservation or '', record.agent)
    return {'aside', 'ASSIGNED'}
  end
  local ends = tonumber(redis.call('ZSCORE', key.timers, 'contact|' .. id) or record.waits or nil) or 0
  ends = digits(ends > now and ends or now + contact.keep_ms)
  redis.call('RENAME', key.contact, key.aside)
  redis.call('PEXPIREAT', key.aside, ends)
  record.pool = dequeue(contact) or ''
  record.created = record.created or digits(now)
  redis.call('ZADD', key.contacts, 'NX', record.created, id)
  redis.call('ZADD', key.timers, ends, 'contact|' .. id)
  note_due(key.life, ends)
  step(contact, 'QUARANTINED', 'UNREADABLE', '', '', 'created', record.created, 'pool', record.pool, 'waits', ends,
    unpack(whole.err and {} or readable_fields(whole)))
  redis.call('PEXPIREAT', key.contact, digits(tonumber(ends) + contact.keep_ms))
  return {'aside', 'QUARANTINED'}
end
