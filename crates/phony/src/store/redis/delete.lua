-- Deletes a call, unless it is in a segment of the index that it was not removed from. KEYS: the
-- call, its events, its words, all calls, the open calls, those that are not indexed, those whose
-- status has changed since they were indexed, the total of bytes, the live outbound calls. ARGV:
-- id, the segment that it was removed from (empty: it was not indexed). Returns whether the call
-- existed, or nil if another node has indexed it meanwhile.
local part = redis.call('HGET', KEYS[1], 'part')
if part and part ~= ARGV[2] then return false end
local bytes = redis.call('HGET', KEYS[1], 'bytes')
if bytes then redis.call('DECRBY', KEYS[8], bytes) end
for n = 4, 7 do redis.call('ZREM', KEYS[n], ARGV[1]) end
redis.call('ZREM', KEYS[9], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3])
return redis.call('DEL', KEYS[1])
