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
--
-- Returns 1 when it published or 0 when the idempotency key was known, and the
-- position, as offset and epoch: of the first publish in the second case.
local once = tonumber(ARGV[1])
if once > 0 then
  local known = redis.call('GET', KEYS[1])
  if known then
    local space = string.find(known, ' ', 1, true)
    return {0, string.sub(known, 1, space - 1), string.sub(known, space + 1)}
  end
end

local offset, epoch = 0, ''
local size = tonumber(ARGV[4])
if size > 0 then
  epoch = redis.call('HGET', KEYS[3], 'e')
  local added = false
  if epoch then
    offset = redis.call('HINCRBY', KEYS[3], 'o', 1)
    added = redis.pcall('XADD', KEYS[2], 'MAXLEN', size, offset .. '-0', 'm', ARGV[3])
  end
  if not added or (type(added) == 'table' and added.err) then
    if added and string.find(added.err, 'OOM', 1, true) then
      return redis.error_reply(added.err)
    end
    -- There is no numbering, or the stream does not fit it: somebody else wrote
    -- to it. The numbering begins again, under a new name.
    epoch, offset = ARGV[7], 1
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HSET', KEYS[3], 'e', epoch, 'o', 1)
    redis.call('XADD', KEYS[2], '1-0', 'm', ARGV[3])
  end
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end

if once > 0 then
  redis.call('SET', KEYS[1], offset .. ' ' .. epoch, 'PX', once)
end
redis.call('PUBLISH', ARGV[2], offset .. ' ' .. epoch .. '\n' .. ARGV[3])
return {1, tostring(offset), epoch}
