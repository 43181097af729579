-- Sets the carrier's status of a call. KEYS: the call, all calls, those whose status has changed
-- since they were indexed. ARGV: id, status. Returns whether the call exists.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[2])
if redis.call('HEXISTS', KEYS[1], 'part') == 1 then
  redis.call('ZADD', KEYS[3], redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0, ARGV[1])
end
return 1
