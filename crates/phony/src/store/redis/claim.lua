-- Makes a node the owner of a call that has not ended, under a term higher than all before.
-- KEYS: the call. ARGV: the node. Returns the term, or nil.
local term = redis.call('HGET', KEYS[1], 'term')
if not term or redis.call('HEXISTS', KEYS[1], 'end') == 1 then return false end
redis.call('HSET', KEYS[1], 'node', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'term', 1)
