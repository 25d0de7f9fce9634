-- Reserves for several contacts, one after the other, up to the first for which no candidate has enough free capacity:
-- the contacts after it were ranked beside it. Answers as many reserves as were tried.
-- Takes and answers: verbs.ReserveInOrder.
local function reserve_in_order(key, arg)
  local answers = {}
  for n, call in ipairs(read_calls(key, arg, #arg.reserves)) do
    answers[n] = reserve(call.key, call.arg)
    if answers[n][1] == 'full' then break end
  end
  return answers
end
