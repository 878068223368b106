-- Reads a page of the members that a channel has under a lease, as HSCAN does, and of
-- those for whose value there is no room only the user. See member.lua.
--
-- KEYS[1]  the hash of the members, by client
-- ARGV[1]  the cursor to go on from, 0 at first
-- ARGV[2]  how many members a page has, about
-- ARGV[3]  how many bytes of values to read at most
--
-- Returns the cursor of the next page, 0 behind the last, how many members there are,
-- clients and values in turn, and clients and users in turn.
local page = redis.pcall('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
if page.err then
  return page
end
local room, whole, bare = tonumber(ARGV[3]), {}, {}
for i = 1, #page[2], 2 do
  local client, value = page[2][i], page[2][i + 1]
  local digits = string.match(value, '^(%d+) ')
  if #value <= room then
    room = room - #value
    whole[#whole + 1], whole[#whole + 2] = client, value
  elseif digits then
    bare[#bare + 1] = client
    bare[#bare + 1] = string.sub(value, #digits + 2, #digits + 1 + tonumber(digits))
  else
    whole[#whole + 1], whole[#whole + 2] = client, string.sub(value, 1, 32) -- not ours
  end
end
return {page[1], redis.call('HLEN', KEYS[1]), whole, bare}
