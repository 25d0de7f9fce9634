-- Writes for the audit trail a change that many verbs carry out.
-- Takes and answers: verbs.NoteChange.
local function note_change(key, arg)
  say_change(key.audit, arg.said)
  return {'ok'}
end
