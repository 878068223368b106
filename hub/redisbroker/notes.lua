-- Keeps notes, and forgets those that are over.
--
-- KEYS[1]  the notes, a hash: by name, behind an n, 16 digits for when a note was made, a
--          space, when it is over, in seconds, a space, and its text; and m, the mark
-- ARGV[1]  the mark that is to be there once something has changed
-- ARGV[2]  now, in seconds
-- ARGV[3]  the first name, behind an n; next the note as it is kept, or an empty string
--          for one that is to be forgotten if it is over; and so on
for i = 3, #ARGV, 2 do
  local known = redis.pcall('HGET', KEYS[1], ARGV[i])
  if type(known) == 'table' then
    redis.call('DEL', KEYS[1]) -- somebody else wrote to it
    known = false
  end
  if ARGV[i + 1] == '' then
    local over = known and string.match(known, '^%d+ (%d+) ')
    if known and (not over or tonumber(over) <= tonumber(ARGV[2])) then
      redis.call('HDEL', KEYS[1], ARGV[i])
    end
  elseif not known or string.sub(known, 1, 16) < string.sub(ARGV[i + 1], 1, 16) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1], 'm', ARGV[1])
  end
end
return 1
