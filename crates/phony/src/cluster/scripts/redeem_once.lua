-- Uses something up that works once. KEYS: it, that it was used. ARGV: a mark of whoever uses it, how
-- long it is known by that mark in ms. Answers what it holds, or nothing if it is none or was used.
-- The same mark gets the same answer again: the first may not have arrived.
local held = redis.call('GET', KEYS[1])
if held then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. held, 'PX', ARGV[2])
  return held
end
local used = redis.call('GET', KEYS[2])
if not used or string.sub(used, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return false end
return string.sub(used, #ARGV[1] + 2)
