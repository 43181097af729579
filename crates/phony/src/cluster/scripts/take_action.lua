-- Takes an order of a supervisor, unless somebody has taken it already or it has lapsed.
-- KEYS: the order. ARGV: who takes it, until when it may be taken in ms, how long that is kept in ms.
-- Answers who has it, what became of it, or an empty text if it has lapsed.
local taken = redis.call('GET', KEYS[1])
if taken then return taken end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[2]) then return '' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]
