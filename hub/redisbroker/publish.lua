-- Publishes a message: gives it its position in the channel's history, keeps it
-- there, and sends it to all nodes, in one step.
--
-- KEYS[1]  the idempotency key, or the stream again when there is none
-- KEYS[2]  the stream that holds the history
-- KEYS[3]  the hash that holds the position: e, the epoch, and o, the offset
-- ARGV[1]  how long the idempotency key is remembered in ms, 0 without a key
-- ARGV[2]  the Pub/Sub channel
-- ARGV[3]  the message
-- ARGV[4]  how many messages the history holds, 0 without a history
-- ARGV[5]  how old they may be in ms
-- ARGV[6]  how long the position is remembered in ms
-- ARGV[7]  the epoch to begin with when there is none
-- ARGV[8]  the epoch that the publisher's node has seen last, or an empty string
-- ARGV[9]  the offset that it has seen last in that epoch
--
-- Returns 1 when it published or 0 when the idempotency key was known, and the
-- position, as offset and epoch: of the first publish in the second case.
--
-- Whatever Redis refuses, for want of memory or because it is a replica, it
-- refuses at the first write. Nothing has been done then.
local once = tonumber(ARGV[1])
if once > 0 then
  local known = redis.call('GET', KEYS[1])
  if known then
    local space = string.find(known, ' ', 1, true)
    return {0, string.sub(known, 1, space - 1), string.sub(known, space + 1)}
  end
end

local offset, epoch = 0, ''
if ARGV[4] ~= '0' then
  -- An entry holds when Redis took it, in seconds and microseconds by its own
  -- clock: those of the nodes differ.
  local time = redis.call('TIME')
  time = time[1] .. '.' .. time[2]
  local added = false
  local known = redis.pcall('HMGET', KEYS[3], 'e', 'o')
  epoch = known[1]
  if epoch and known[2] then
    offset = redis.pcall('HINCRBY', KEYS[3], 'o', 1)
    -- An offset that subscribers have seen is not given again.
    if type(offset) == 'number' and not (epoch == ARGV[8] and offset <= tonumber(ARGV[9])) then
      added = redis.pcall('XADD', KEYS[2], 'MAXLEN', ARGV[4], offset .. '-0', 'm', ARGV[3], 't', time)
    end
  end
  if type(added) ~= 'string' then
    -- There is no numbering, or somebody else wrote to it, or Redis has come back
    -- with an older copy of it. It begins again, under a new name. SET comes
    -- first because it overwrites anything, and is refused without memory.
    offset, epoch = 1, ARGV[7]
    redis.call('SET', KEYS[3], '')
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HSET', KEYS[3], 'e', epoch, 'o', 1)
    redis.call('XADD', KEYS[2], '1-0', 'm', ARGV[3], 't', time)
  end
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end

if once > 0 then
  redis.call('SET', KEYS[1], offset .. ' ' .. epoch, 'PX', once)
end
redis.call('PUBLISH', ARGV[2], offset .. ' ' .. epoch .. '\n' .. ARGV[3])
return {1, tostring(offset), epoch}
