-- Restores keys whose orders became calls, where they are missing.
-- KEYS: the keys. ARGV: how long they are kept in ms, then for each key the order's hash, the call and its
-- status.
for n = 1, #KEYS do
  if redis.call('EXISTS', KEYS[n]) == 0 then
    redis.call('HSET', KEYS[n], 'body', ARGV[3 * n - 1], 'state', 'done', 'call', ARGV[3 * n],
      'status', ARGV[3 * n + 1])
    redis.call('PEXPIRE', KEYS[n], ARGV[1])
  end
end
return #KEYS
