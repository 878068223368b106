-- Reads entries of a channel's history, as XRANGE or XREVRANGE does, until they have
-- so many bytes. One entry is read whatever its size.
--
-- KEYS[1]  the stream that holds the history
-- ARGV[1]  XRANGE or XREVRANGE
-- ARGV[2]  the ID to begin with
-- ARGV[3]  the ID to end with
-- ARGV[4]  how many entries to read at most
-- ARGV[5]  how many bytes to read at most
-- ARGV[6]  how many bytes an entry counts beside its message
--
-- Returns entries as XRANGE does.
local from, left, room = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local read = {}
while left > 0 do
  local count = math.min(left, 16) -- what is read and left out is bounded, too
  local part = redis.pcall(ARGV[1], KEYS[1], from, ARGV[3], 'COUNT', count)
  if part.err then
    return part
  end
  for _, entry in ipairs(part) do
    room = room - ARGV[6] - #(entry[2][2] or '')
    if room < 0 and #read > 0 then
      return read
    end
    read[#read + 1] = entry
  end
  if #part < count then
    break
  end
  from, left = '(' .. part[count][1], left - count
end
return read
