-- Finds out whether the Redis that is here may be taken for the one that the
-- asking node knows, and has a new generation begin when nobody can say so; see
-- vouch.go for why. A node asks when it has connected, and once a second.
--
-- KEYS[1]  the record, a hash: g, the generation; t, its term; r, the run of Redis
--          that the term is for; y, a run to which some node has said yes; f, the
--          terms before, each as " term:end", where end is how far the counter had
--          got, or the word lost
-- KEYS[2]  the nodes that have not said yes yet, by when they asked last, in ms
-- ARGV[1]  what stands before the term in the name of the counter
-- ARGV[2]  the run of Redis that is here
-- ARGV[3]  the node
-- ARGV[4]  the term that it believes in, or an empty string
-- ARGV[5]  how far it knows that the counter has got in that term
-- ARGV[6]  the term to begin, if one has to
-- ARGV[7]  the generation to begin, if one has to
-- ARGV[8]  1 when others have had their time
--
-- Returns what has come of it, and the generation, the term and the counter:
--   known    nothing is new
--   vouched  another run; a new term has begun in the same generation
--   begun    a new generation has begun
--   wait     another run, and others may know better. Nothing else is returned
local known = redis.pcall('HMGET', KEYS[1], 'g', 't', 'r', 'y', 'f')
if known.err then
  known = {}
end
local generation, term, run, said, before = known[1], known[2], known[3], known[4], known[5] or ''
local counter = redis.pcall('GET', ARGV[1] .. (term or ''))
local count = generation and type(counter) == 'string' and string.match(counter, '^%d+$')

-- How far this Redis has got in the term that the node believes in. It is lost when
-- that is less than the node knows of.
local reached = 'lost'
if ARGV[4] == term then
  reached = count
elseif ARGV[4] ~= '' then
  reached = string.match(before, ' ' .. ARGV[4] .. ':(%w+)')
end
local lost = not count or not reached
  or reached ~= 'lost' and tonumber(reached) < tonumber(ARGV[5])

if not lost and run == ARGV[2] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  -- A Redis that is full refuses this, and a read-only one. It does no harm.
  redis.pcall('ZADD', KEYS[2], now, ARGV[3])
  redis.pcall('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - 10000))
  redis.pcall('ZREMRANGEBYSCORE', KEYS[2], string.format('(%.0f', now + 10000), '+inf')
  return {'known', generation, term, count}
end

if not lost then
  -- Who believes in the newest term and misses nothing says yes. The others that
  -- lived when the run before ended have time to do so, or to find that they know
  -- of more.
  local yes = ARGV[4] == term
  if yes then
    redis.call('HSET', KEYS[1], 'y', ARGV[2])
    redis.pcall('ZREM', KEYS[2], ARGV[3])
  end
  local others = redis.pcall('ZCARD', KEYS[2])
  if ARGV[8] ~= '1' and (others ~= 0 or not yes and said == ARGV[2]) then
    return {'wait'}
  end
  lost = not yes
end

if lost then
  before = string.gsub(before, ':%w+', ':lost')
  if ARGV[4] ~= '' and ARGV[4] ~= term and not string.find(before, ' ' .. ARGV[4] .. ':', 1, true) then
    before = before .. ' ' .. ARGV[4] .. ':lost'
  end
end
if term then
  before = before .. ' ' .. term .. ':' .. (lost and 'lost' or count)
end
while #before > 1000 do
  before = string.match(before, '^ %S+(.*)$') or '' -- the oldest
end
if lost then
  generation, count = ARGV[7], '1'
end
redis.call('SET', ARGV[1] .. ARGV[6], count) -- comes first, because it is refused without memory
redis.call('DEL', KEYS[1], KEYS[2], ARGV[1] .. (term or ''))
redis.call('HSET', KEYS[1], 'g', generation, 't', ARGV[6], 'r', ARGV[2], 'f', before)
return {lost and 'begun' or 'vouched', generation, ARGV[6], count}
