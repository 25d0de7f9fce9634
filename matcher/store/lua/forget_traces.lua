-- Removes traces of persons: whole records, fields of records, and events of both streams, with what a compaction of the
-- streams has copied. The numbers of removed outbox entries are noted, so that the ledger does not count them as lost.
-- Where events go, another event is written behind them first: the number of a stream's last event never gets smaller.
-- Takes and answers: verbs.ForgetTraces.
local function forget_traces(key, arg)
  local now = digits(clock())
  for i = 1, #arg.doomed do redis.call('DEL', key.doomed[i].key) end
  for i = 1, #arg.cut do redis.call('HDEL', key.cut[i].record, arg.cut[i].field) end
  for i = 1, #arg.members do redis.call('ZREM', key.members[i].list, arg.members[i].member) end
  if #arg.load_events > 0 then append(key.load, arg.events_kept, 'timer', now) end
  for i = 1, #arg.load_events do redis.call('XDEL', key.load, arg.load_events[i].load_event) end
  if #arg.roster_events > 0 then append(key.roster, arg.events_kept, 'pool', 'default', '0', now) end
  for i = 1, #arg.roster_events do redis.call('XDEL', key.roster, arg.roster_events[i].roster_event) end
  for i = 1, #arg.outbox_entries do
    local number, without = arg.outbox_entries[i].number, arg.outbox_entries[i].without
    if redis.call('XDEL', key.outbox, '0-' .. number) == 1 and without ~= '' then
      redis.call('XADD', key.outbox, '0-*', 'e', without)
    end
    redis.call('HSET', key.forgets, 'entry|' .. number, now)
  end
  redis.call('DEL', key.load_copy, key.roster_copy)
  return {'ok'}
end
