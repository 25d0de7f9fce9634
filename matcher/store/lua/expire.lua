-- Writes what follows from a passed deadline. Any number of replicas may call it: the removal from `due` decides who.
-- KEYS  those of a transition
-- ARGV  1-6 those of a transition  7 after how many missed offers in a row the agent is AWAY (0: never)
-- Returns {'lapsed', state before, 'away' or ''}, {'early'} where the deadline has moved on, or {'done'} where another
-- was first
local function expire(keys, args)
  local it, wrong = opened(keys, args)
  local member = 'reservation|' .. args[1]
  if wrong or not HOLDING[it.state] then
    redis.call('ZREM', keys[5], member)
    return {'done'}
  end
  if it.reads == it.state then return {'early'} end
  if redis.call('ZREM', keys[5], member) == 0 then return {'done'} end
  release(keys, it, it.reads, it.state == 'WRAPPING' and tonumber(it.deadline) or nil)
  local away = ''
  if it.state == 'PENDING' then
    if has_contact(it) then put_back(it.place, 'OFFER_EXPIRED', it.reservation, it.agent, '0') end
    if redis.call('EXISTS', keys[3]) == 1 then
      local missed, most = redis.call('HINCRBY', keys[3], 'missed', 1), tonumber(args[7])
      local reason = 'missed ' .. missed .. ' offers in a row'
      if most > 0 and missed >= most
          and send_away(keys[3], keys[11], it.events, it.agent, reason, it.now, it.micros) then
        away = 'away'
      end
    end
  elseif it.state == 'ACCEPTED' and has_contact(it) then
    finish(it.place, 'EXPIRED', 'CONVERSATION_EXPIRED', it.reservation, it.agent)
  end
  return {'lapsed', it.state, away}
end
