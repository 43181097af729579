-- Forgets a call. KEYS: the call, its events, all calls, the open calls, the bytes of all, the live calls of
-- ours. ARGV: id.
-- Answers whether there was one.
local bytes = redis.call('HGET', KEYS[1], 'bytes')
if bytes then redis.call('DECRBY', KEYS[5], bytes) end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
redis.call('DEL', KEYS[2])
return redis.call('DEL', KEYS[1])
