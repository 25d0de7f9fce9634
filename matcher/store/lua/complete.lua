-- Ends a conversation; its capacity stays held for the wrap-up. A conversation that was completed or transferred before
-- stays as it is.
-- Takes and answers: verbs.Complete.

-- Takes a report of the customer's experience: '1' is good, '0' is not, '' is no report. The first one counts.
local function take_report(reservation, good)
  if good == '' or reservation.report then return end
  redis.call('HSET', reservation.key.reservation, 'report', good .. '|' .. digits(reservation.now))
end

-- Records what the agent reports as outcomes of the contact, where the service keeps a ledger. A contact that began after
-- the reservation is another life of the id.
local function note_reported(reservation)
  local key, arg, born = reservation.key, reservation.arg, reservation.contact.record.created
  if arg.outbox_kept == '0' or #arg.reported == 0 or not born then return end
  if tonumber(born) > tonumber(redis.call('HGET', key.reservation, 'created') or 0) then return end
  for i = 1, #arg.reported do
    note_outcome(key.outcomes, key.outbox, arg.outbox_kept, arg.keep_ms, arg.contact_id, born,
      born .. '|' .. arg.reported[i].field, arg.reported[i].said, '', arg.reported[i].facts, digits(reservation.now))
  end
end

local function complete(key, arg)
  local reservation, wrong = open_reservation(key, arg)
  if wrong then return wrong end
  local reads, wrap_up_ms = reservation.reads, tonumber(arg.wrap_up_ms)
  if reads == 'ACCEPTED' then
    local offered = awaited_offer(reservation)
    if offered then return offered end
    if reservation.first then reset_counts(reservation, 'missed') end
    if has_contact(reservation) then
      finish(reservation.contact, 'CLOSED', 'COMPLETED', reservation.id, reservation.agent)
    end
    redis.call('HSET', key.reservation, 'write', arg.write_id)
    end_conversation(reservation, 'COMPLETED', wrap_up_ms, reservation.now, reservation.now)
  elseif reads ~= 'COMPLETED' and (reads ~= 'WRAPPING' or (reservation.ends or 'COMPLETED') ~= 'COMPLETED') then
    return refusal(reservation)
  elseif reads == 'WRAPPING' and arg.second_ends == '1' and reservation.write and reservation.write ~= arg.write_id then
    release(reservation, 'COMPLETED', reservation.now)
  end
  take_report(reservation, arg.good)
  note_reported(reservation)
  return answer(reservation)
end
