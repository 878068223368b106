-- Publishes a message behind the one before it, in one step: what publish.lua does
-- where there is nothing else to do. What Redis is asked for each message stands here
-- alone, because each argument and each function of a script costs it as much as a
-- small command.
--
-- KEYS[1]  the stream that holds the history
-- KEYS[2]  the hash that holds the position, as in publish.lua
-- KEYS[3]  the counter of the term that the publisher's node believes in
-- ARGV[1]  the Pub/Sub channel
-- ARGV[2]  the message
-- ARGV[3]  how many messages the history holds
-- ARGV[4]  half of how old they may be in seconds
-- ARGV[5]  the generation, with which every epoch has to begin
-- ARGV[6]  the epoch that the publisher's node has seen last, or an empty string
-- ARGV[7]  the offset that it has seen last in that epoch
-- ARGV[8]  how far it knows that the counter has got
--
-- Returns what publish.lua returns. An error that begins with VOUCH is as there, and
-- one that begins with BEGIN says that there is more to do. Nothing has been done then.
local known = redis.pcall('HMGET', KEYS[2], 'e', 'o', 'x')
local epoch, last = known[1], tonumber(known[2])
local now = redis.call('TIME')
local left = (tonumber(known[3]) or 0) - now[1]
if not epoch or not last or string.sub(epoch, 1, 4) ~= ARGV[5]
  or epoch == ARGV[6] and last < tonumber(ARGV[7]) or left <= 0 or left > tonumber(ARGV[4]) then
  return redis.error_reply('BEGIN something has to be done for this channel first')
end

local count = redis.call('INCR', KEYS[3])
if count <= tonumber(ARGV[8]) then
  redis.call(count == 1 and 'DEL' or 'DECR', KEYS[3])
  return redis.error_reply('VOUCH this Redis is not known to have what it had')
end
local offset = redis.pcall('HINCRBY', KEYS[2], 'o', 1)
local added = type(offset) == 'number'
  and redis.pcall('XADD', KEYS[1], 'MAXLEN', ARGV[3], offset .. '-0', 'm', ARGV[2], 't', now[1] .. '.' .. now[2])
if type(added) ~= 'string' then
  if type(offset) == 'number' then
    redis.pcall('HINCRBY', KEYS[2], 'o', -1)
  end
  redis.call('DECR', KEYS[3])
  return redis.error_reply('BEGIN something has to be mended for this channel first')
end
local sent = redis.pcall('PUBLISH', ARGV[1],
  offset .. ' ' .. epoch .. '\n' .. ARGV[2] .. string.format('n\24%s%016.0f', string.sub(KEYS[3], -8), count))
if type(sent) == 'table' then
  return sent
end
return {1, tostring(offset), epoch, count}
