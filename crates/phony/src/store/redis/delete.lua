-- Forgets a call, which was taken out of the index before. KEYS: the call, its events, its words, all
-- calls, the open calls, those in no part of the index, those whose state has changed since they came
-- into one, the bytes of all, the live calls of ours. ARGV: id. Answers whether there was one.
local bytes = redis.call('HGET', KEYS[1], 'bytes')
if bytes then redis.call('DECRBY', KEYS[8], bytes) end
for n = 4, 7 do redis.call('ZREM', KEYS[n], ARGV[1]) end
redis.call('ZREM', KEYS[9], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3])
return redis.call('DEL', KEYS[1])
