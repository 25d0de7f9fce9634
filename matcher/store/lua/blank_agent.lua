-- Takes an agent's id out of a contact, a reservation or a decision, where the rest of the record stays.
-- Takes and answers: verbs.BlankAgent.

-- Takes an agent out of what a decision says for a comparison, and out of what the store saw of the candidates.
local function blank_compared(key, record, agent)
  if record.compared then
    local compared = string.gsub(record.compared, '^([^|]*|[^|]*|[^|]*|)([^|]*)', function(head, name)
      if name == agent then return head end
    end)
    redis.call('HSET', key.record, 'compared', compared)
  end
  if record.seen then
    local left = {}
    for entry in string.gmatch(record.seen, '[^;]+') do
      if string.match(entry, '^[^|]*') ~= agent then left[#left + 1] = entry end
    end
    redis.call('HSET', key.record, 'seen', table.concat(left, ';'))
  end
end

local function blank_agent(key, arg)
  local agent = arg.agent_id
  local record = fields(key.record, 'agent', 'history', 'takes_over', 'only', 'state', 'compared', 'seen')
  if redis.call('EXISTS', key.record) == 0 then return {'gone'} end
  redis.call('HDEL', key.record, 'x:' .. agent, 'u:' .. agent)
  if record.agent == agent then redis.call('HSET', key.record, 'agent', '', 'agent_uid', '') end
  if record.only == agent then redis.call('HDEL', key.record, 'only') end
  -- The reservation that a pending one takes over is of an agent who talks, and so is not forgotten.
  if record.takes_over and string.match(record.takes_over, '|([^|]*)|') == agent and record.state ~= 'PENDING' then
    redis.call('HDEL', key.record, 'takes_over')
  end
  if record.history then
    local history = string.gsub(record.history, '|([^|;]*)|(%d+);', function(name, at)
      if name == agent then return '||' .. at .. ';' end
    end)
    redis.call('HSET', key.record, 'history', history)
  end
  blank_compared(key, record, agent)
  if arg.decision_record ~= '' then redis.call('HSET', key.record, 'record', arg.decision_record) end
  return {'ok'}
end
