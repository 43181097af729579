-- Replaces a segment of the index after calls were removed from it, or deletes it if none is left.
-- KEYS: the lock, all segments, the segment. ARGV: the token of the lock, the segment's id, the
-- start of its newest call in ms, then fields and values, none if it is empty. Returns whether it
-- was done.
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
