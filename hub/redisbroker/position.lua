-- Reads the position of a channel's history. Where there is none it is that before
-- the first message, in the epoch in which that will be (begin.lua): nothing is
-- written. A position that is asked for is remembered for at least half of its time
-- more.
--
-- KEYS[1]  the hash that holds the position
-- KEYS[2]  the stream that holds the history
-- KEYS[3]  the counter of the term that the asking node believes in
-- KEYS[4]  what the names of traces begin with; see begin.lua
-- ARGV[1]  how long the position is remembered in ms
-- ARGV[2]  the epoch to begin with when there is none; its first four letters are
--          the generation, which every epoch has to begin with
-- ARGV[3]  the epoch that the asking node has seen last, or an empty string
-- ARGV[4]  the offset that it has seen last in that epoch
--
-- Returns the offset, the epoch and Redis's time in seconds and microseconds. The
-- error begins with VOUCH when this is not the Redis that the node takes it for.
if redis.call('EXISTS', KEYS[3]) == 0 then
  return redis.error_reply('VOUCH this Redis is not known to have what it had')
end
local time = redis.call('TIME')
local now = time[1] .. '.' .. time[2]

local known = redis.pcall('HMGET', KEYS[1], 'e', 'o')
local epoch, offset = known[1], known[2] and string.match(known[2], '^%d+$')
local current = offset and epoch and string.sub(epoch, 1, 4) == string.sub(ARGV[2], 1, 4)
-- One that ends before what was seen has lost its end: Redis has come back with
-- an older copy of it, or somebody wrote to it.
if current and not (epoch == ARGV[3] and tonumber(offset) < tonumber(ARGV[4])) then
  if redis.call('PTTL', KEYS[1]) < ARGV[1] / 2 then
    redis.pcall('PEXPIRE', KEYS[1], ARGV[1]) -- a Redis that is read-only refuses
  end
  return {offset, epoch, now}
end
local first = begin(known, KEYS[1], KEYS[2], ARGV[2], time[1], ARGV[3], ARGV[4], KEYS[4])
if first then
  return {'0', first, now}
end
redis.call('SET', KEYS[1], '') -- overwrites anything, and is refused when there is no memory for it
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'e', ARGV[2], 'o', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {'0', ARGV[2], now}
