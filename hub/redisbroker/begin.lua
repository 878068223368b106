-- Returns the epoch in which the numbering of a channel begins that has none. It is
-- kept nowhere, and the same for all who ask before the first message: the generation,
-- and a number that changes after a week, at another time for each channel. A position
-- is remembered for no less, so a channel that was forgotten does not begin in the
-- epoch that it had. Who asks and has seen the one of the week before goes on in it.
--
-- What begins in such an epoch leaves one bit, in a string of 128 KiB at most for all
-- channels, so that one whose keys are removed, or evicted, does not begin in it again.
--
-- Returns nil when there is a numbering of this generation, and it is damaged: somebody
-- wrote to it, or removed it. Then a new name is needed, and also when another channel
-- has the same bit.
local function bit(position)
  return tonumber(string.sub(redis.sha1hex(position), 6, 10), 16)
end

local function begin(known, position, stream, generation, seconds, seen, offset, begun)
  generation = string.sub(generation, 1, 4)
  if known.err then
    return nil
  end
  local epoch, last = known[1], known[2]
  if epoch or last then
    if not epoch or string.sub(epoch, 1, 4) == generation then
      return nil
    end
  elseif redis.call('EXISTS', stream) == 1 then
    return nil
  end
  local part = tonumber(string.sub(redis.sha1hex(position), 1, 5), 16)
  local week = math.floor((tonumber(seconds) + part) / 604800)
  local now = string.format('%s.%03x', generation, week % 4096)
  if seen == string.format('%s.%03x', generation, (week - 1) % 4096) and offset == '0' then
    now = seen
  elseif seen == now and offset ~= '0' then
    return nil
  end
  if redis.pcall('GETBIT', begun .. now, bit(position)) ~= 0 then
    return nil
  end
  return now
end

-- Notes that a channel has begun in such an epoch, for longer than it is given.
local function mark(position, epoch, begun)
  if #epoch == 8 and string.sub(epoch, 5, 5) == '.' then
    redis.pcall('SETBIT', begun .. epoch, bit(position), 1)
    redis.pcall('EXPIRE', begun .. epoch, 1814400) -- three weeks
  end
end

