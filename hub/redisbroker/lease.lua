-- Makes a node's lease longer, or takes a new one when the lease is gone. Time is
-- that of Redis, so the clocks of the nodes do not matter.
--
-- KEYS[1]  the leases, by their ends in ms
-- KEYS[2]  the leases whose members are to be taken out
-- KEYS[3]  the leases that were ended by others, by when that was in ms
-- ARGV[1]  the node's lease, empty for none
-- ARGV[2]  the one to take when that is gone
-- ARGV[3]  how long a lease is in ms
-- ARGV[4]  1 to end the leases of others that are over, if the node's own has two
--          thirds of its length left; otherwise Redis was away or its clock was set
--          forward, and the others may be as late as this node
--
-- Returns 1 when the lease was there or else 0, 1 when others have ended it or
-- else 0, and leases whose members are to be taken out.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local length = tonumber(ARGV[3])

local lease, kept, ended = ARGV[1], 1, 0
local score = redis.call('ZSCORE', KEYS[1], lease)
local left = (score or now) - now
if not score then
  kept = 0
  if redis.call('ZSCORE', KEYS[3], lease) then
    ended = 1
  end
  lease = ARGV[2]
end
redis.call('ZADD', KEYS[1], now + length, lease)

-- The clock of Redis was set back: nothing may last that long.
local late = string.format('(%.0f', now + 10 * length)
for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], late, '+inf')) do
  redis.call('ZADD', KEYS[1], now + length, other)
end

if ARGV[4] == '1' and left >= length * 2 / 3 then
  for _, over in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))) do
    redis.call('ZREM', KEYS[1], over)
    redis.call('SADD', KEYS[2], over)
    redis.call('ZADD', KEYS[3], now, over)
  end
end
-- A node that hears of its end a day later adds its members without a word.
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now - 86400000))

local reply = {kept, ended}
for _, dead in ipairs(redis.call('SRANDMEMBER', KEYS[2], 100)) do
  reply[#reply + 1] = dead
end
return reply
