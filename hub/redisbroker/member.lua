-- Brings a channel's presence up to date for one client of a node: a leave, a
-- join, or a leave and then a join. Doing it twice is as good as once.
--
-- A member is kept as the length of the user in bytes, a space, the user, and an
-- envelope of what is known. A message is the head of an envelope, which says
-- its kind and time, and the member's envelope without its first byte.
--
-- KEYS[1]  the leases
-- KEYS[2]  the channels on which the lease has members
-- KEYS[3]  the hash of the channel's members under the lease, by client
-- KEYS[4]  the hash of their numbers, by user
-- ARGV[1]  the lease
-- ARGV[2]  the channel
-- ARGV[3]  its Pub/Sub channel
-- ARGV[4]  the client
-- ARGV[5]  the head of the leave, empty for none
-- ARGV[6]  the member whose leave is told also when it is not there, or empty
-- ARGV[7]  the member that joins, empty for none
-- ARGV[8]  the head of the join, empty when nobody is told
--
-- Returns 1, or 0 when there is no such lease; then nothing was done.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end

local function split(member)
  local digits = string.match(member, '^(%d+) ') or '0'
  local user = #digits + 2
  local envelope = user + tonumber(digits)
  return string.sub(member, user, envelope - 1), string.sub(member, envelope)
end

local function count(member, n)
  local user = split(member)
  if redis.call('HINCRBY', KEYS[4], user, n) <= 0 then
    redis.call('HDEL', KEYS[4], user)
  end
end

local function tell(head, member)
  local _, envelope = split(member)
  redis.call('PUBLISH', ARGV[3], '0 \n' .. head .. string.sub(envelope, 2))
end

local known = redis.call('HGET', KEYS[3], ARGV[4])
if ARGV[5] ~= '' then
  if known then
    count(known, -1) -- first, because it is what fails when memory is short
    redis.call('HDEL', KEYS[3], ARGV[4])
  end
  local left = known or ARGV[6]
  if left ~= '' then
    tell(ARGV[5], left)
  end
  known = false
end

local joined = ARGV[7]
if joined ~= '' and joined ~= known then
  redis.call('HSET', KEYS[3], ARGV[4], joined)
  redis.call('SADD', KEYS[2], ARGV[2])
  count(joined, 1)
  if known then
    count(known, -1)
  elseif ARGV[8] ~= '' then
    tell(ARGV[8], joined)
  end
end

if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('SREM', KEYS[2], ARGV[2])
end
return 1
