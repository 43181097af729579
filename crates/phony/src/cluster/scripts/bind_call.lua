-- Binds an order to the call SID of its call, and gives the attempt's slot to the call until it ends.
-- KEYS: the slots, the orders of attempts to that number, the order bound to the call, the call.
-- ARGV: the attempt, the call's id, the order, how long the order is kept in ms, how long a call lasts
-- at most in ms. Returns 1 if the attempt was known or the same order is bound already; safe to repeat.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HEXISTS', KEYS[4], 'end') == 0 then
  redis.call('ZADD', KEYS[1], now + ARGV[5], ARGV[2])
end
local before = redis.call('GET', KEYS[3])
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
local known = redis.call('HDEL', KEYS[2], ARGV[1])
if before == ARGV[3] then return 1 end
return known
