-- Stores a segment of the index, unless the lock was lost or one of its calls has changed. KEYS:
-- the lock, all segments, the segment, the calls that are not indexed, those whose status has
-- changed since they were indexed. ARGV: the token of the lock, the segment's id, the start of its
-- newest call in ms, how long to keep it in ms (0: for ever), the number of its calls, the id and
-- status of each of them, then fields and values. Returns whether it was done.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local calls = tonumber(ARGV[5])
for at = 6, 4 + 2 * calls, 2 do
  local call = 'phony:call:' .. ARGV[at]
  if redis.call('HEXISTS', call, 'end') == 0 or redis.call('HEXISTS', call, 'part') == 1 then
    return 0
  end
end
for at = 6, 4 + 2 * calls, 2 do
  local call = 'phony:call:' .. ARGV[at]
  redis.call('HSET', call, 'part', ARGV[2])
  redis.call('DEL', call .. ':words')
  if (redis.call('HGET', call, 'status') or '') ~= ARGV[at + 1] then
    redis.call('ZADD', KEYS[5], redis.call('ZSCORE', KEYS[4], ARGV[at]) or 0, ARGV[at])
  end
  redis.call('ZREM', KEYS[4], ARGV[at])
end
for at = 6 + 2 * calls, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
if ARGV[4] ~= '0' then redis.call('PEXPIRE', KEYS[3], ARGV[4]) end
return 1
