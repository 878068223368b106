-- Takes some of the members of an ended lease out of a channel, and tells of each
-- that it has left. Several nodes may do it at once, and any of them may stop.
--
-- KEYS[1]  the leases whose members are to be taken out
-- KEYS[2]  the channels on which the lease has members
-- KEYS[3]  the hash of the channel's members under the lease, by client
-- KEYS[4]  the hash of their numbers, by user
-- ARGV[1]  the lease
-- ARGV[2]  the channel
-- ARGV[3]  its Pub/Sub channel
-- ARGV[4]  the head of the leaves' envelopes; see member.lua
-- ARGV[5]  how many members to take out at most
--
-- Returns how many were taken out, or -1 when the lease is not among those: it is
-- in force again, because Redis has come back with older data, or damaged.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then
  return -1
end

-- Nobody counts the users of an ended lease any more.
redis.call('DEL', KEYS[4])
local members = redis.call('HRANDFIELD', KEYS[3], ARGV[5], 'WITHVALUES')
for i = 1, #members, 2 do
  redis.call('HDEL', KEYS[3], members[i])
  local digits = string.match(members[i + 1], '^(%d+) ') or '0'
  local envelope = string.sub(members[i + 1], #digits + 2 + tonumber(digits))
  redis.call('PUBLISH', ARGV[3], '0 \n' .. ARGV[4] .. string.sub(envelope, 2))
end

if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('SREM', KEYS[2], ARGV[2])
end
return #members / 2
