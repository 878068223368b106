-- Publishes a message unless its idempotency key is known.
--
-- KEYS[1]  the idempotency key
-- ARGV[1]  how long the key is remembered, in milliseconds
-- ARGV[2]  the Pub/Sub channel
-- ARGV[3]  the message
--
-- Returns 1 when the message was published, 0 when the key was known.
if not redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) then
  return 0
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
