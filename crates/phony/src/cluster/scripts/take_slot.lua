-- Takes the place of one call of ours, if there is room among the live ones and in the last minute.
-- KEYS: the live ones, those of the last minute. ARGV: the attempt, the most at once, the most in a
-- minute (0: any number), for how long in ms. Answers {0, 0}, {1, 0} if there are too many at once,
-- {2, ms} if too many in a minute, with the time until there is room again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60000)
local most, rate = tonumber(ARGV[2]), tonumber(ARGV[3])
-- Who has it did not get the answer.
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
