-- Adds to the costs of a day. KEYS: the day. ARGV: the sum as the caller knows it (so that an emptied
-- Redis does not start again from zero), what is added, how long the day is kept in ms. All sums are in US
-- dollars. Returns the new sum.
local sum = tonumber(redis.call('GET', KEYS[1]) or '0')
local known = tonumber(ARGV[1])
if known > sum then sum = known end
local text = string.format('%.9f', sum + tonumber(ARGV[2]))
redis.call('SET', KEYS[1], text, 'PX', ARGV[3])
return text
