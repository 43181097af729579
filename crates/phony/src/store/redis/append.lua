-- Appends to a call, unless it has another owner or something before it is missing. KEYS: the call,
-- its events, its words, all calls, the open calls, those that are not indexed, those whose status
-- has changed since they were indexed, the total of bytes, the live outbound calls. ARGV: id, term,
-- last event known to be stored, node, start in ms, summary, status, channel, ms to keep the call
-- after its end (0: for ever), ms of its place among the live outbound calls (0: inbound), then for
-- each event: number, JSON, turns, cost, end, words. Returns {0, last} if appended, {1, last} if
-- something is missing, {2, term} if another node owns it.
local term, after = tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS[1], 'term', 'last', 'node', 'part')
local last = tonumber(known[2] or '0')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not known[1] then
  if after > 0 or ARGV[6] == '' then return {1, 0} end
  redis.call('HSET', KEYS[1], 'line', ARGV[6], 'last', 0)
  for n = 4, 6 do redis.call('ZADD', KEYS[n], ARGV[5], ARGV[1]) end
  if ARGV[10] ~= '0' then redis.call('ZADD', KEYS[9], now + ARGV[10], ARGV[1]) end
elseif tonumber(known[1]) > term then
  return {2, tonumber(known[1])}
elseif tonumber(known[1]) == term and known[3] ~= ARGV[4] then
  -- Two nodes have begun the same call: the one that wrote first owns it.
  return {2, term + 1}
elseif last < after then
  return {1, last}
elseif tonumber(known[1]) < term and after == 0 and redis.call('HEXISTS', KEYS[1], 'end') == 1 then
  -- The former owner ended it, not knowing that it continues elsewhere: its events are replaced.
  redis.call('DECRBY', KEYS[5], redis.call('HGET', KEYS[1], 'bytes') or 0)
  redis.call('DEL', KEYS[2])
  redis.call('HDEL', KEYS[1], 'end', 'turns', 'cost', 'bytes')
  redis.call('PERSIST', KEYS[1])
  redis.call('ZADD', KEYS[4], ARGV[5], ARGV[1])
  last = 0
end
redis.call('HSET', KEYS[1], 'term', term, 'node', ARGV[4])
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'status', ARGV[7])
  if known[4] then
    redis.call('ZADD', KEYS[7], redis.call('ZSCORE', KEYS[4], ARGV[1]) or 0, ARGV[1])
  end
end
local turns, bytes = 0, 0
for at = 11, #ARGV, 6 do
  local seq = tonumber(ARGV[at])
  if seq > last then
    last = seq
    redis.call('XADD', KEYS[2], seq .. '-0', 'e', ARGV[at + 1])
    redis.call('PUBLISH', ARGV[8], ARGV[at + 1])
    turns = turns + tonumber(ARGV[at + 2])
    bytes = bytes + string.len(ARGV[at + 1])
    if ARGV[at + 3] ~= '0' then redis.call('HINCRBYFLOAT', KEYS[1], 'cost', ARGV[at + 3]) end
    if ARGV[at + 4] ~= '' then
      redis.call('HSET', KEYS[1], 'end', ARGV[at + 4], 'closed', now)
      redis.call('ZREM', KEYS[5], ARGV[1])
      redis.call('ZREM', KEYS[9], ARGV[1])
    end
    if ARGV[at + 5] ~= '' and not known[4] then
      redis.call('APPEND', KEYS[3], seq .. ' ' .. ARGV[at + 5] .. '\n')
    end
  end
end
redis.call('HSET', KEYS[1], 'last', last)
if turns > 0 then redis.call('HINCRBY', KEYS[1], 'turns', turns) end
if bytes > 0 then
  redis.call('HINCRBY', KEYS[1], 'bytes', bytes)
  redis.call('INCRBY', KEYS[8], bytes)
end
if ARGV[9] ~= '0' and redis.call('HEXISTS', KEYS[1], 'end') == 1 then
  for n = 1, 3 do redis.call('PEXPIRE', KEYS[n], ARGV[9]) end
end
return {0, last}
