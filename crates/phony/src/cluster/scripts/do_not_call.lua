-- Adds entries to the do-not-call list; of two on one number the later counts.
-- KEYS: the list, the order of its changes, the number of changes. ARGV: for each entry the number, its
-- time in ms, the entry as JSON. Returns how many of them were new.
local news = 0
for at = 1, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[1], ARGV[at])
  local when = known and tonumber(string.match(known, '^%d+'))
  if not when or when < tonumber(ARGV[at + 1]) then
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[at + 2])
    redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[at])
    news = news + 1
  end
end
return news
