-- Holds an idempotency key for an order, unless it is held or its order became a call.
-- KEYS: the key. ARGV: the order's hash, the holder, how long it is held in ms, how long it is kept in ms.
-- Returns {'new'}, {'done', call, status}, {'uncertain', since in ms}, {'other'} or {'wait'}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'body', 'state', 'until', 'since', 'call', 'status',
  'holder', 'taken')
local state, answer = known[2], {'new'}
local since = now
if state == 'held' and tonumber(known[3]) > now then
  if known[7] ~= ARGV[2] then return {'wait'} end
  -- The holder did not get the answer.
  if known[8] == 'uncertain' then return {'uncertain', known[4]} end
  return answer
end
if state then
  if known[1] ~= ARGV[1] then return {'other'} end
  if state == 'done' then return {'done', known[5], known[6]} end
  -- The holder has died, or does not know the outcome.
  since = tonumber(known[4])
  answer = {'uncertain', since}
end
redis.call('HSET', KEYS[1], 'body', ARGV[1], 'state', 'held', 'holder', ARGV[2],
  'until', now + ARGV[3], 'since', since, 'taken', answer[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return answer
