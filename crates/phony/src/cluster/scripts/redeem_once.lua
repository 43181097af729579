-- Redeems a single-use value. KEYS: the value, who redeemed it. ARGV: a mark of the caller, how long the
-- mark is kept in ms. Returns the value, or nothing if there is none or another mark has redeemed it.
-- The same mark gets the same answer again, because the first may have been lost.
local held = redis.call('GET', KEYS[1])
if held then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. held, 'PX', ARGV[2])
  return held
end
local used = redis.call('GET', KEYS[2])
if not used or string.sub(used, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return false end
return string.sub(used, #ARGV[1] + 2)
