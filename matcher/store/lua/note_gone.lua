-- Asks for the removal of a removed site's rows from the ledger.
-- Takes and answers: verbs.NoteGone.
local function note_gone(key, arg)
  redis.call('SADD', key.gone, arg.uid)
  return {'ok'}
end
