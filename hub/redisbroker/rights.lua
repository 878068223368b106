-- Finds out which commands the asking user may not run, or Redis does not know,
-- without running any.
--
-- ARGV[1]  commands, one a line, each with the keys or the Pub/Sub channel that it is
--          for, if it has any, each behind a tab
--
-- Returns those that are refused, as they came, with a question mark before those that
-- are not known. A Redis before 7 cannot tell, and none is.
local refused = {}
if not redis.acl_check_cmd then
  return refused
end
for line in string.gmatch(ARGV[1], '[^\n]+') do
  local name, keys = string.match(line, '^([^\t]+)(.*)$')
  local command = {}
  for word in string.gmatch(name, '%S+') do
    command[#command + 1] = word
  end
  for key in string.gmatch(keys, '[^\t]+') do
    command[#command + 1] = key
  end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(command))
  if not known then
    refused[#refused + 1] = '?' .. line
  elseif not allowed then
    refused[#refused + 1] = line
  end
end
return refused
