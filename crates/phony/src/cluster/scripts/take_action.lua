-- Takes a supervisor's action, unless it is taken or its deadline has passed.
-- KEYS: the action. ARGV: who takes it, its deadline in ms, how long that is kept in ms.
-- Returns who has it, its stored answer, or an empty text if the deadline has passed.
local taken = redis.call('GET', KEYS[1])
if taken then return taken end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[2]) then return '' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]
