-- The carrier has named a call of ours: its errand is bound to that name, and its place is the
-- call's until it ends. KEYS: the live ones, the errands under way to that number, the name's errand,
-- the call. ARGV: the attempt, the call's id, the errand, how long the errand is kept in ms, how long
-- a call lasts at most in ms. Answers whether the attempt was still known.
-- Named once, it is named again without harm.
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
