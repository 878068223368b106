-- Reads the position of a channel's history, and begins a numbering where there
-- is none, so that who asks before the first message can recover it later.
--
-- KEYS[1]  the hash that holds the position
-- KEYS[2]  the stream that holds the history
-- ARGV[1]  how long the position is remembered in ms
-- ARGV[2]  the epoch to begin with when there is none
--
-- Returns the offset and the epoch.
local known = redis.call('HMGET', KEYS[1], 'o', 'e')
if known[1] and known[2] then
  return known
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'e', ARGV[2], 'o', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {'0', ARGV[2]}
