-- Records what became of contacts.
-- Takes and answers: verbs.RecordOutcomes.
local function record_outcomes(key, arg)
  local new, now = {}, digits(clock())
  for i = 1, #arg.given do
    local is_new = note_outcome(key.given[i].outcomes, key.outbox, arg.outbox_kept, arg.kept_ms, arg.given[i].contact_id,
      arg.given[i].born_ms, arg.given[i].field, arg.given[i].said, arg.given[i].observed_ms, arg.given[i].facts, now)
    new[i] = is_new and '1' or '0'
  end
  return {'ok', new}
end
