-- Takes a slot for an outbound call, if the limits on live calls and on calls a minute allow it.
-- KEYS: the slots, the calls of the last minute. ARGV: the attempt, the most live calls, the most calls a
-- minute (0: no limit for either), how long the slot is kept in ms. Returns {0, 0}, {1, 0} if there are
-- too many live calls, {2, ms} if too many in the last minute, with the time until there is room.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60000)
local most, rate = tonumber(ARGV[2]), tonumber(ARGV[3])
-- The attempt has a slot already; the answer was lost.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {0, 0} end
if most > 0 and redis.call('ZCARD', KEYS[1]) >= most then return {1, 0} end
if rate > 0 and redis.call('ZCARD', KEYS[2]) >= rate then
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return {2, tonumber(oldest[2]) + 60000 - now}
end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[1])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('PEXPIRE', KEYS[2], 60000)
return {0, 0}
