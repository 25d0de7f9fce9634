-- Adds the answer that no agent was found for a contact to the outbox.
-- Takes and answers: verbs.NoteUnmatched.
local function note_unmatched(key, arg)
  local now = digits(clock())
  append(key.outbox, arg.outbox_kept, 'UNMATCHED', arg.contact_id, now, now, '0', '', arg.pool_id, '', '',
    'channel=' .. arg.channel .. ';constraint=' .. arg.constraint .. ';')
  return {'ok'}
end
