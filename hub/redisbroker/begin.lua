-- Returns the epoch in which the numbering of a channel begins that has none. It is
-- kept nowhere, and the same for all who ask before the first message: the generation,
-- and no letters of its own.
--
-- Returns nil when there has been a numbering of this generation: it is damaged, it was
-- removed or evicted, or the channel was forgotten. Then a new name is needed. What
-- begins leaves a trace for that: a number of 48 bits in one of 4096 sets of each
-- quarter of a year, for a year. Redis keeps sets of up to 512 in eight bytes each.
local unnamed, quarter, quarters = '....', 7862400, 5

local function trace(position, generation, begun, number)
  local sum = redis.sha1hex(position)
  local set = string.format('%s%s:%.0f:%s', begun, generation, number, string.sub(sum, 1, 3))
  return set, string.format('%.0f', tonumber(string.sub(sum, 4, 15), 16))
end

local function begin(known, position, stream, generation, seconds, seen, offset, begun)
  generation = string.sub(generation, 1, 4)
  local epoch = generation .. unnamed
  if known.err or seen == epoch and offset ~= '0' then
    return nil
  end
  local damaged = known[2]
  if known[1] then
    damaged = string.sub(known[1], 1, 4) == generation
  end
  if damaged or not known[1] and redis.call('EXISTS', stream) == 1 then
    return nil
  end
  local now = math.floor(seconds / quarter)
  for number = now, now - quarters + 1, -1 do
    if redis.pcall('SISMEMBER', trace(position, generation, begun, number)) ~= 0 then
      return nil
    end
  end
  return epoch
end

-- Leaves the trace of a channel that begins in such an epoch.
local function mark(position, epoch, seconds, begun)
  if string.sub(epoch, 5) == unnamed then
    local set, number = trace(position, string.sub(epoch, 1, 4), begun, math.floor(seconds / quarter))
    redis.pcall('SADD', set, number)
    redis.pcall('EXPIRE', set, quarters * quarter)
  end
end
