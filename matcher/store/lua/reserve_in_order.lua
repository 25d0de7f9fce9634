-- Holds slots for several claims, one after the other, up to the first for whom nobody has room: those after it were
-- weighed beside it.
-- KEYS  those of each reserve
-- ARGV  1 how many claims  then for each how many KEYS and how many ARGV it has  then their ARGV
-- Returns the answers of as many reserves as were tried
local function reserve_in_order(keys, args)
  local claims, answers, key = tonumber(args[1]), {}, 0
  local arg = 1 + 2 * claims
  for n = 1, claims do
    local own_keys, own_args = {}, {}
    for i = 1, tonumber(args[2 * n]) do own_keys[i] = keys[key + i] end
    for i = 1, tonumber(args[2 * n + 1]) do own_args[i] = args[arg + i] end
    key, arg = key + #own_keys, arg + #own_args
    answers[n] = reserve(own_keys, own_args)
    if answers[n][1] == 'full' then break end
  end
  return answers
end
