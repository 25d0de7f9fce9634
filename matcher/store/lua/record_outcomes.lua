-- Records what became of contacts: in the outbox, from where the ledger takes it, and for a while beside the contact, so
-- that the same again adds nothing.
-- Takes and answers: verbs.RecordOutcomes.
local function record_outcomes(key, arg)
  local new, now = {}, digits(clock())
  for i = 1, #arg.given do
    local outcomes, field, said = key.given[i].outcomes, arg.given[i].field, arg.given[i].said
    local before = redis.call('HGET', outcomes, field)
    new[i] = '0'
    -- 'value|place|observed|recorded': observed at another time the same value is the same.
    if not before or string.match(before, '^[^|]*|[^|]*') ~= said then
      local observed = arg.given[i].observed_ms ~= '' and arg.given[i].observed_ms or now
      redis.call('HSET', outcomes, field, table.concat({said, observed, now}, '|'))
      redis.call('PEXPIRE', outcomes, arg.kept_ms)
      append(key.outbox, arg.outbox_kept, 'OUTCOME', arg.given[i].contact_id, arg.given[i].born_ms, now, '0', '', '', '',
        '', arg.given[i].facts .. 'observed=' .. observed .. ';')
      new[i] = '1'
    end
  end
  return {'ok', new}
end
