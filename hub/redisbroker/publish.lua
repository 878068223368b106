-- Publishes a message: gives it its position in the channel's history, keeps it
-- there, and sends it to all nodes, in one step.
--
-- KEYS[1]  the idempotency key, or the stream again when there is none
-- KEYS[2]  the stream that holds the history
-- KEYS[3]  the hash that holds the position: e, the epoch, o, the offset, and x, when
--          both are to be made to last longer, in seconds
-- KEYS[4]  the counter of the term that the publisher's node believes in
-- KEYS[5]  what the names of traces begin with; see begin.lua
-- ARGV[1]  how long the idempotency key is remembered in ms, 0 without a key
-- ARGV[2]  the Pub/Sub channel
-- ARGV[3]  the message
-- ARGV[4]  how many messages the history holds, 0 without a history
-- ARGV[5]  how old they may be in ms
-- ARGV[6]  how long the position is remembered in ms
-- ARGV[7]  the epoch to begin with when there is none; its first four letters are
--          the generation, which every epoch has to begin with
-- ARGV[8]  the epoch that the publisher's node has seen last, or an empty string
-- ARGV[9]  the offset that it has seen last in that epoch
-- ARGV[10] how far it knows that the counter has got
-- ARGV[11] how many bytes the history has, about; the newest message is always kept
--
-- Returns 1 when it published or 0 when the idempotency key was known, the
-- position, as offset and epoch, of the first publish in the second case, and the
-- counter. Nothing is numbered, and the error begins with VOUCH, when this is not
-- the Redis that the node takes it for; see vouch.go. What it sends has the term and
-- the counter at its end, as a field of the message (envelope.go).
--
-- Whatever Redis refuses, for want of memory or because it is a replica, it
-- refuses at the first write. Nothing has been done then. A right may be missing for
-- what comes later, when it was taken away since the node has asked (rights.lua): then
-- the message may be kept.
local function stranger()
  return redis.error_reply('VOUCH this Redis is not known to have what it had')
end

-- Drops the oldest messages until the stream has no more bytes than it may, or one
-- message. What it costs grows with the number of messages, not with their size.
local function trim(stream, most)
  local size, n = redis.pcall('MEMORY', 'USAGE', stream, 'SAMPLES', 0), redis.call('XLEN', stream)
  while type(size) == 'number' and size > most and n > 1 do
    n = math.max(1, math.min(n - 1, math.floor(n * most / size)))
    redis.call('XTRIM', stream, 'MAXLEN', n)
    size = redis.pcall('MEMORY', 'USAGE', stream, 'SAMPLES', 0)
  end
end

-- Reports whether a reply says that the user may not do that.
local function forbidden(reply)
  local text = type(reply) == 'table' and reply.err
  return text and (string.find(text, 'NOPERM', 1, true) or string.find(text, 'user executing the script', 1, true))
end

local once, kept = tonumber(ARGV[1]), ARGV[4] ~= '0'
if once > 0 then
  local known = redis.call('GET', KEYS[1])
  if known then
    local count = kept and tonumber(redis.call('GET', KEYS[4]) or 0) or 0
    if kept and count < tonumber(ARGV[10]) then
      return stranger()
    end
    local space = string.find(known, ' ', 1, true)
    return {0, string.sub(known, 1, space - 1), string.sub(known, space + 1), count}
  end
end

local offset, epoch, count, reached = 0, '', 0, ''
if kept then
  count = redis.call('INCR', KEYS[4])
  if count <= tonumber(ARGV[10]) then
    -- As if nothing had been done: who asks next may know of less.
    redis.call(count == 1 and 'DEL' or 'DECR', KEYS[4])
    return stranger()
  end
  reached = string.format('n\24%s%016.0f', string.sub(KEYS[4], -8), count)
  -- An entry holds when Redis took it, in seconds and microseconds by its own
  -- clock: those of the nodes differ.
  local now = redis.call('TIME')
  local time = now[1] .. '.' .. now[2]
  local added = false
  local known = redis.pcall('HMGET', KEYS[3], 'e', 'o', 'x')
  local renew = tonumber(known[3] or 0) or 0
  epoch = known[1]
  if epoch and known[2] and string.sub(epoch, 1, 4) == string.sub(ARGV[7], 1, 4) then
    offset = redis.pcall('HINCRBY', KEYS[3], 'o', 1)
    -- An offset that subscribers have seen is not given again.
    if type(offset) == 'number' and not (epoch == ARGV[8] and offset <= tonumber(ARGV[9])) then
      added = redis.pcall('XADD', KEYS[2], 'MAXLEN', ARGV[4], offset .. '-0', 'm', ARGV[3], 't', time)
    end
    if forbidden(added) then
      redis.pcall('HINCRBY', KEYS[3], 'o', -1)
      return added
    elseif forbidden(offset) then
      return offset
    end
  end
  if type(added) ~= 'string' then
    -- There is no numbering, or one of an earlier generation, or somebody else
    -- wrote to it. It begins again, under a new name. SET comes first because it
    -- overwrites anything, and is refused without memory.
    offset, epoch = 1, begin(known, KEYS[3], KEYS[2], ARGV[7], now[1], ARGV[8], ARGV[9], KEYS[5]) or ARGV[7]
    mark(KEYS[3], epoch, now[1], KEYS[5])
    redis.call('SET', KEYS[3], '')
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HSET', KEYS[3], 'e', epoch, 'o', 1)
    redis.call('XADD', KEYS[2], '1-0', 'm', ARGV[3], 't', time)
    renew = 0
  end
  -- Both last for half of the history's age longer than they have to, so that this is
  -- not done each time: it takes as long as all the counting. What is too old is left
  -- out when it is read.
  local half = ARGV[5] / 2
  local left = renew - now[1]
  if left <= 0 or left > half / 1000 then
    redis.call('PEXPIRE', KEYS[2], string.format('%.0f', ARGV[5] + half))
    redis.call('PEXPIRE', KEYS[3], string.format('%.0f', ARGV[6] + half))
    redis.call('HSET', KEYS[3], 'x', string.format('%.0f', now[1] + math.floor(half / 1000)))
  end
  -- As long as messages are smaller than their share, so are all together.
  if #ARGV[3] * tonumber(ARGV[4]) > tonumber(ARGV[11]) then
    trim(KEYS[2], tonumber(ARGV[11]))
  end
end

if once > 0 then
  redis.call('SET', KEYS[1], offset .. ' ' .. epoch, 'PX', once)
end
local sent = redis.pcall('PUBLISH', ARGV[2], offset .. ' ' .. epoch .. '\n' .. ARGV[3] .. reached)
if type(sent) == 'table' then
  if once > 0 and not kept then
    redis.pcall('DEL', KEYS[1]) -- who tries again is to publish
  end
  return sent
end
return {1, tostring(offset), epoch, count}
