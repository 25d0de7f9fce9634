-- Stores the sealed handle of a customer of whom an earlier version stored only its digest.
-- Takes and answers: verbs.RecallHandle.
local function recall_handle(key, arg)
  if redis.call('EXISTS', key.customer) == 0 or redis.call('HGET', key.customer, '>') then return {'moved'} end
  learn_handle(key.customer, arg.digest, arg.sealed)
  return {'ok'}
end
