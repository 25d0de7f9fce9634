-- Asks for the removal of persons' rows from the ledger: who feeds it removes them when it has committed what came before.
-- Takes and answers: verbs.NoteForgets.
local function note_forgets(key, arg)
  local _, micros = clock()
  for i = 1, #arg.persons do redis.call('HSET', key.forgets, arg.persons[i].person, digits(micros)) end
  return {'ok'}
end
