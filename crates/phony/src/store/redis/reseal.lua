-- Puts a part of the index in place again after calls were taken out of it, or takes it away.
-- KEYS: the lock, all parts, the part. ARGV: who has the lock, the part's id, the beginning of its
-- newest call in ms, then fields and values; none if nothing is left. Answers whether it was done.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local left = redis.call('PTTL', KEYS[3])
redis.call('DEL', KEYS[3])
if #ARGV == 3 then
  redis.call('ZREM', KEYS[2], ARGV[2])
  return 1
end
for at = 4, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
if left > 0 then redis.call('PEXPIRE', KEYS[3], left) end
return 1
