-- Finds out whether the Redis that is here may be taken for the one that the
-- asking node knows, and has a new generation begin when nobody can say so; see
-- vouch.go for why. A node asks when it has connected, and once a second.
--
-- KEYS[1]  the record, a hash: g, the generation; t, its term; r, the run of Redis
--          that the term is for; f, the terms before, each as " term:end", where end is
--          how far the counter had got, or the word lost. While nobody has vouched yet,
--          w is the last term for which somebody has, and n is 1 until a node that
--          believes in it has said yes
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
--   vouched  another run, for which a term has begun in the same generation
--   begun    a new generation has begun
--   wait     another run, and others may know better. Nothing else is returned
local known = redis.pcall('HMGET', KEYS[1], 'g', 't', 'r', 'f', 'w', 'n')
local generation, term, run, before = known[1], known[2], known[3], known[4] or ''
local vouched, nobody = known[5], known[6]
local counter = redis.pcall('GET', ARGV[1] .. (term or ''))
local count = generation and #generation == #ARGV[7]
  and type(counter) == 'string' and #counter < 16 and string.match(counter, '^%d+$')

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

-- Returns what has come of it, and notes that the node was there.
local function result(outcome)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  -- A Redis that is full refuses this, and a read-only one. It does no harm.
  redis.pcall('ZADD', KEYS[2], now, ARGV[3])
  redis.pcall('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - 10000))
  redis.pcall('ZREMRANGEBYSCORE', KEYS[2], string.format('(%.0f', now + 10000), '+inf')
  return {outcome, generation, term, count}
end

-- Adds a term to those before, of which the oldest are left out.
local function ended(name, at)
  before = before .. ' ' .. name .. ':' .. at
  while #before > 1000 do
    before = string.match(before, '^ %S+(.*)$') or ''
  end
end

if not lost and run ~= ARGV[2] then
  -- Whoever asks first ends the term, so that nobody numbers anything by it. RENAME
  -- comes first because it needs no memory: what comes after it is not refused.
  redis.call('RENAME', ARGV[1] .. term, ARGV[1] .. ARGV[6])
  ended(term, count)
  vouched, nobody, term = vouched or term, true, ARGV[6]
  redis.call('HSET', KEYS[1], 't', term, 'r', ARGV[2], 'f', before, 'w', vouched, 'n', 1)
end

if not lost and not vouched then
  return result('known')
end

if not lost then
  -- Who believes in the last term and misses nothing says yes. So has everybody to do
  -- who lived when it ended: one that does not come may have known of more.
  local yes = ARGV[4] == vouched
  if yes then
    redis.call('HDEL', KEYS[1], 'n')
    redis.pcall('ZREM', KEYS[2], ARGV[3])
  end
  local all = redis.pcall('ZCARD', KEYS[2]) == 0
  if ARGV[8] ~= '1' and not (all and (yes or nobody)) then
    return {'wait'}
  end
  if yes and all then
    redis.call('HDEL', KEYS[1], 'w', 'n')
    redis.call('DEL', KEYS[2])
    return result('vouched')
  end
end

before = string.gsub(before, ':%w+', ':lost')
if ARGV[4] ~= '' and ARGV[4] ~= term and not string.find(before, ' ' .. ARGV[4] .. ':', 1, true) then
  ended(ARGV[4], 'lost')
end
if term and term ~= ARGV[6] then
  ended(term, 'lost')
end
if counter then
  redis.call('DEL', ARGV[1] .. (term or ''))
end
if known.err then
  redis.call('DEL', KEYS[1])
end
generation, term, count = ARGV[7], ARGV[6], '1'
redis.call('HSET', KEYS[1], 'g', generation, 't', term, 'r', ARGV[2], 'f', before) -- refused without memory, if nothing was done
redis.call('HDEL', KEYS[1], 'w', 'n')
redis.call('SET', ARGV[1] .. term, count)
redis.call('DEL', KEYS[2])
return result('begun')
