-- Raises the schema of the data, unless a live process does not read it. It never lowers it.
-- Takes and answers: verbs.RaiseSchema.
local function raise_schema(key, arg)
  local now, held = clock(), {}
  local stored = redis.call('GET', key.schema)
  if tonumber(stored or 0) >= tonumber(arg.to) then return {'ok', stored} end
  local processes = redis.call('HGETALL', key.processes)
  for i = 1, #processes, 2 do
    local ends, newest = string.match(processes[i + 1], '^(%d+)|(%d+)|')
    if tonumber(ends) > now and tonumber(newest) < tonumber(arg.to) then held[#held + 1] = processes[i] end
  end
  if #held > 0 and arg.force ~= '1' then return {'held', table.concat(held, ' ')} end
  redis.call('SET', key.schema, arg.to)
  return {'ok', arg.to}
end
