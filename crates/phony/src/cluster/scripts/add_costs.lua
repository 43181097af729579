-- Adds to what the calls of a day cost. KEYS: the day. ARGV: what the server that asks knew to be the
-- sum (so that an emptied Redis does not begin again from nothing), what is added, how long the day
-- is kept in ms. Answers the sum, in US dollars.
local sum = tonumber(redis.call('GET', KEYS[1]) or '0')
local known = tonumber(ARGV[1])
if known > sum then sum = known end
local text = string.format('%.9f', sum + tonumber(ARGV[2]))
redis.call('SET', KEYS[1], text, 'PX', ARGV[3])
return text
