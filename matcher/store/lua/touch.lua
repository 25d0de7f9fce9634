-- Says that a conversation goes on: one that had stopped counting counts again, whatever else the agent holds by now.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 ms without a sign after which it stops counting (0: never)
-- Returns {'ok', fields, now ms}, {'gone'}, {'fence'}, {'lapsed', state} or {'state', state}
local function touch(keys, args)
  local it, wrong = opened(keys, args)
  if wrong then return wrong end
  if it.reads ~= 'ACCEPTED' then return refused(it) end
  stir(keys, it, tonumber(args[7]))
  return answer(keys, it)
end
