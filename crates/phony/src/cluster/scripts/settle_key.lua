-- Releases a key with the outcome of its order, if the caller still holds it.
-- KEYS: the key. ARGV: the holder, the outcome ('done', 'uncertain', 'nothing'), the call, its status.
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
if ARGV[2] == 'nothing' then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'call', ARGV[3], 'status', ARGV[4])
redis.call('HDEL', KEYS[1], 'until', 'holder')
return 1
