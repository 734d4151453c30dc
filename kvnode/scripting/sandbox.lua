-- Builds what scripts see, once for each Lua state, and returns the functions that Python calls.
--
-- Scripts get a table of globals of their own (`globals`, seen through the empty table `env`), not
-- Lua's. Every table in it that outlives a script is seen through an empty stand-in: reads fall
-- through to the real table, writes are refused. Functions that would touch a stand-in raw (rawset,
-- next, table.insert ...) are replaced by ones that know it.
--
-- Replaced too is what would harm the process: Lua 5.1 overruns the C stack in patterns of more than
-- some ten thousand items, and its own in `unpack` of a range beyond 2^31; it trusts bytecode; and
-- functions with many fixed parameters before `...` write beyond its stack (CVE-2014-5461).
--
-- Errors cross from Python as one prepared userdata, `failure`, whose text `host.take_failure`
-- hands out: making it needs no memory, so that it also works at the memory limit.

local host, failure, for_functions, version, version_number, libraries = ...

local as_function, getinfo, sethook = python.as_function, debug.getinfo, debug.sethook
local registry = debug.getregistry()
local error, type, select, tostring, tonumber = error, type, select, tostring, tonumber
local rawget, rawset, rawequal, next, pairs, ipairs = rawget, rawset, rawequal, next, pairs, ipairs
local getmetatable, setmetatable, setfenv = getmetatable, setmetatable, setfenv
local pcall, xpcall, unpack, collectgarbage = pcall, xpcall, unpack, collectgarbage
local loadstring, real_string, real_table, real_math = loadstring, string, table, math
local byte, sub, match, gsub, format, floor = string.byte, string.sub, string.match, string.gsub,
    string.format, math.floor
local real_coroutine, concat = coroutine, table.concat

local READONLY = 'Attempt to modify a readonly table'
local PATTERN_BYTES_MAX = 10000
local HOOK_INSTRUCTIONS = 100000
local UNPACKED_MAX = 8000
local OWN = '^kvnode:%d+: '  -- what Lua puts before errors of functions called from here
-- lupa looks the global `debug` up outside of protected mode: its name must not need memory.
local anchored = {'debug', failure}

local python_functions = {}
for name, callable in pairs(host) do
  python_functions[name] = as_function(callable)
end
host = python_functions
local take_failure, tick, unsafe_parameters = host.take_failure, host.tick, host.unsafe_parameters

-- Read-only tables ------------------------------------------------------------------------------

local frozen = setmetatable({}, {__mode = 'k'})  -- stand-in -> the real table

local function refuse()
  error(READONLY, 2)
end

local function freeze(real)
  local stand_in = setmetatable({}, {__index = real, __newindex = refuse})
  frozen[stand_in] = real
  return stand_in
end

local globals, env = {}, {}

local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

setmetatable(globals, {__index = missing})
local env_metatable = {__index = globals, __newindex = refuse}
setmetatable(env, env_metatable)
frozen[env] = globals

-- Errors ----------------------------------------------------------------------------------------

local own_functions = {}  -- all functions of the sandbox that scripts may call
local own_sources = {['=kvnode'] = true, ['=kvnode.libraries'] = true}

-- The stack level of the script's function that an error is to be blamed on; nil where a tail call
-- has replaced it. Levels count from the caller.
local function blamed(level)
  level = level + 1
  while true do
    local info = getinfo(level, 'Sl')
    if info == nil then return nil end
    if info.what ~= 'C' and info.what ~= 'tail' and not own_sources[info.source] then
      return info
    end
    level = level + 1
  end
end

local main  -- the function that runs, for errors of its last statement's tail call

local function last_line()
  if main == nil then return nil end
  local info = getinfo(main, 'SL')
  local last = 0
  for line in pairs(info.activelines) do
    if line > last then last = line end
  end
  info.currentline = last
  return info
end

-- Turn what Lua raised into what a script may see.
local function seen(value, level)
  if type(value) == 'userdata' and getmetatable(value) ~= nil then
    if rawequal(value, failure) then
      return take_failure() or 'not enough memory'
    end
    return {err = 'ERR ' .. tostring(value)}
  end
  if type(value) == 'string' and match(value, OWN) then
    local info = blamed(level + 1) or last_line()
    local text = gsub(value, OWN, '', 1)
    if info then
      return info.short_src .. ':' .. info.currentline .. ': ' .. text
    end
    return text
  end
  return value
end

-- Redis's error handler: makes a table of any error and notes where it arose.
local function handler(raised)
  local info = blamed(2) or last_line()
  local value = seen(raised, 2)
  if type(value) ~= 'table' then
    value = {err = 'ERR ' .. tostring(value)}
  end
  if info then
    value.source = info.source
    value.line = info.currentline
  end
  return value
end

local function settle(f, ok, value, ...)
  if ok then return ok, value, ... end
  if type(value) == 'string' and own_functions[f or false] then
    -- Called by pcall itself: there is neither a line nor a name to blame.
    value = gsub(gsub(value, OWN, '', 1), "^(bad argument #%d+ to )'[^']*'", "%1'?'")
  end
  value = seen(value, 3)
  -- As in Redis an error table comes out of pcall as its text.
  if type(value) == 'table' and type(rawget(value, 'err')) == 'string' then
    value = rawget(value, 'err')
  end
  return ok, value
end

function globals.pcall(...)
  if select('#', ...) == 0 then return false, 'attempt to call a boolean value' end
  return settle((...), pcall(...))
end

function globals.xpcall(...)
  local f, on_error = ...
  if select('#', ...) < 2 or type(on_error) ~= 'function' then return xpcall(...) end
  return xpcall(f, function(value) return on_error(seen(value, 2)) end)
end

-- Functions that know stand-ins -----------------------------------------------------------------

function globals.rawset(...)
  if frozen[(...) or false] then error(READONLY, 0) end
  return rawset(...)
end

function globals.rawget(...)
  local t, key = ...
  local real = frozen[t or false]
  if real then return rawget(real, key) end
  return rawget(...)
end

function globals.next(...)
  local t, key = ...
  local real = frozen[t or false]
  if real then return next(real, key) end
  return next(...)
end

function globals.pairs(...)
  local real = frozen[(...) or false]
  if real then
    return function(_, key) return next(real, key) end, (...), nil
  end
  return pairs(...)
end

local shown_metatables = {}  -- the stand-ins of the metatables that scripts may look at

function globals.setmetatable(...)
  if frozen[(...) or false] then error(READONLY, 0) end
  return setmetatable(...)
end

function globals.getmetatable(...)
  local value = ...
  if select('#', ...) == 0 then return getmetatable(...) end
  if type(value) == 'string' then return shown_metatables.string end
  if rawequal(value, env) then return shown_metatables.globals end
  if frozen[value or false] or type(value) == 'userdata' then return nil end
  return getmetatable(value)
end

local table_library = {}
for name, f in pairs(real_table) do table_library[name] = f end

local insert = real_table.insert
function table_library.insert(...)
  if frozen[(...) or false] then error(READONLY, 0) end
  return insert(...)
end

local foreach = real_table.foreach
function table_library.foreach(...)
  local t, f = ...
  return foreach(frozen[t or false] or t, f)
end

-- What would harm the process -------------------------------------------------------------------

local function check_pattern(pattern)
  if type(pattern) == 'string' and #pattern > PATTERN_BYTES_MAX then
    error('pattern too complex')
  end
end

local string_library = {}
for name, f in pairs(real_string) do string_library[name] = f end

local find, gmatch = real_string.find, real_string.gmatch
function string_library.find(...)
  local _, pattern, _, plain = ...
  if not plain then check_pattern(pattern) end
  return find(...)
end
function string_library.match(...)
  check_pattern((select(2, ...)))
  return match(...)
end
function string_library.gsub(...)
  check_pattern((select(2, ...)))
  return gsub(...)
end
function string_library.gmatch(...)
  check_pattern((select(2, ...)))
  return gmatch(...)
end
string_library.gfind = string_library.gmatch

function globals.unpack(...)
  local _, first, last = ...
  if first ~= nil or last ~= nil then
    local from, to = tonumber(first or 1), tonumber(last or 0)
    if from and to then
      if last == nil and type((...)) == 'table' then to = #(...) end
      if not (from > -2147483648 and to < 2147483647 and to - from < UNPACKED_MAX) then
        error('too many results to unpack')
      end
    end
  end
  return unpack(...)
end

-- Compile source text, never bytecode, to run in the sandbox.
local function compiled(text, name)
  name = match(name or text, '^%Z*')  -- held here while the parser uses it
  if byte(text, 1) == 27 then text = ' ' .. text end  -- as text: a symbol that nothing begins with
  if find(text, '...', 1, true) then
    local reason = unsafe_parameters(text)
    if reason then return nil, reason end
  end
  local f, reason = loadstring(text, name)
  if f then return setfenv(f, env) end
  return nil, reason
end

function globals.loadstring(...)
  local text, name = ...
  local kind = type(text)
  if kind == 'number' then text = tostring(text) end
  if (kind ~= 'string' and kind ~= 'number') or (name ~= nil and type(name) ~= 'string') then
    return loadstring(...)  -- for its error
  end
  return compiled(text, name)
end

-- Redis's handler sees this error before `load` returns it.
local function failed_reader(value)
  if type(value) == 'table' then return value end
  return {err = 'ERR ' .. tostring(value)}
end

local load = load
function globals.load(...)
  local reader, name = ...
  if type(reader) ~= 'function' or (name ~= nil and type(name) ~= 'string') then
    return load(...)
  end
  local pieces, count = {}, 0
  while true do
    local ok, piece = pcall(reader)
    if not ok then return nil, failed_reader(seen(piece, 1)) end
    if piece == nil or piece == '' then break end
    if type(piece) ~= 'string' and type(piece) ~= 'number' then
      local info = blamed(1) or last_line()
      return nil, failed_reader(info.short_src .. ':' .. info.currentline ..
          ': reader function must return a string')
    end
    count = count + 1
    pieces[count] = piece
  end
  return compiled(concat(pieces), name or '=(load)')
end

local gc_touched = false
function globals.collectgarbage(...)
  gc_touched = true
  return collectgarbage(...)
end

-- The hook: stops scripts that run too long -----------------------------------------------------

local interrupted = false

local function hook()
  -- Once interrupted, code of ours has to get through: what returns from the script's.
  if interrupted and own_sources[getinfo(2, 'S').source] then return end
  if tick() then
    interrupted = true
    -- From now on at every line, so that a script that catches the error gets the next one.
    sethook(hook, 'l')
    error(take_failure(), 0)
  end
end

sethook(hook, '', HOOK_INSTRUCTIONS)

-- Lua keeps hooks by thread: a coroutine's function first sets its own.
local function hooked(f)
  if type(f) ~= 'function' then return f end
  local info = getinfo(f, 'S')
  -- C functions, and what stands in place of one, are refused.
  if info.what == 'C' or own_sources[info.source] then return type end
  host.note_coroutine()
  return function(...)
    if interrupted then sethook(hook, 'l') else sethook(hook, '', HOOK_INSTRUCTIONS) end
    return f(...)
  end
end

local create, wrap, resume = real_coroutine.create, real_coroutine.wrap, real_coroutine.resume
local coroutine_library = {
  create = function(f) return create(hooked(f)) end,
  wrap = function(f) return wrap(hooked(f)) end,
  resume = function(...)
    local function settled(ok, value, ...)
      if ok then return ok, value, ... end
      return ok, seen(value, 3)
    end
    return settled(resume(...))
  end,
  running = real_coroutine.running,
  status = real_coroutine.status,
  yield = real_coroutine.yield,
}

-- math.random as Redis has it: lrand48 from a fixed seed, going on from script to script -------------------------------

local random_high, random_low = 0x1234AB, 0xCD330E

local function next_random()  -- 48 bits in two halves, so that products stay below 2^53
  local low = random_low * 0xECE66D + 0xB
  local high = random_high * 0xECE66D + random_low * 0x5DE + floor(low / 16777216)
  random_high, random_low = high % 16777216, low % 16777216
  return (random_high * 128 + floor(random_low / 131072)) % 2147483647 / 2147483647
end

local function integer_argument(value, place, name)
  local number = tonumber(value)
  if number == nil then
    error(format("bad argument #%d to '%s' (number expected, got %s)", place, name,
        value == nil and 'no value' or type(value)))
  end
  number = number < 0 and -floor(-number) or floor(number)
  return (number + 2147483648) % 4294967296 - 2147483648
end

local math_library = {}
for name, f in pairs(real_math) do math_library[name] = f end

function math_library.random(...)
  local drawn = next_random()
  local count = select('#', ...)
  if count == 0 then return drawn end
  if count > 2 then error('wrong number of arguments') end
  local first, last = ...
  if count == 1 then
    last = integer_argument(first, 1, 'random')
    if last < 1 then error("bad argument #1 to 'random' (interval is empty)") end
    return floor(drawn * last) + 1
  end
  first, last = integer_argument(first, 1, 'random'), integer_argument(last, 2, 'random')
  if first > last then error("bad argument #2 to 'random' (interval is empty)") end
  return floor(drawn * (last - first + 1)) + first
end

function math_library.randomseed(...)
  local seed = integer_argument((...), 1, 'randomseed') % 4294967296
  random_high, random_low = floor(seed / 256), seed % 256 * 65536 + 0x330E
end

-- The globals -----------------------------------------------------------------------------------

local redis = {
  call = host.call, pcall = host.pcall, error_reply = host.error_reply,
  status_reply = host.status_reply, sha1hex = host.sha1hex, log = host.log,
  setresp = host.setresp, set_repl = host.set_repl, acl_check_cmd = host.acl_check_cmd,
  REDIS_VERSION = version, REDIS_VERSION_NUM = version_number,
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}
if not for_functions then
  redis.replicate_commands = host.replicate_commands
  redis.breakpoint = host.breakpoint
  redis.debug = host.debug
  globals.__redis__err__handler = handler
end

-- What a library's code sees in place of them while it is loaded; its functions see the others.
local load_redis = {register_function = host.register_function, log = redis.log}
for _, name in ipairs({'REDIS_VERSION', 'REDIS_VERSION_NUM', 'LOG_DEBUG', 'LOG_VERBOSE',
    'LOG_NOTICE', 'LOG_WARNING'}) do
  load_redis[name] = redis[name]
end
local load_globals = {redis = freeze(setmetatable(load_redis, {__index = missing}))}
setmetatable(load_globals, {__index = missing})

local function add_library(name, real)
  globals[name] = freeze(real)
  return globals[name]
end

for _, name in ipairs({'assert', 'error', 'gcinfo', 'ipairs', 'rawequal', 'select', 'tonumber',
    'tostring', 'type'}) do
  globals[name] = _G[name]
end
globals._G = env
globals._VERSION = _VERSION
add_library('redis', redis)
add_library('table', table_library)
add_library('math', math_library)
add_library('coroutine', coroutine_library)
for name, real in pairs(libraries) do add_library(name, real) end
shown_metatables.string = freeze({__index = add_library('string', string_library)})
shown_metatables.globals = freeze({__index = missing})
getmetatable('').__index = string_library

-- Replies ---------------------------------------------------------------------------------------

local TEXT, STATUS, ENCODED, FAILED, ROW = 1, 2, 3, 4, 5  -- what a result that is not plain is
local STACK_SLOTS_MAX = 7995
local ROW_MAX = 300
local client_protocol, script_protocol = 2, 2
local note_error = host.note_error
local parts, part_count

local function emit(text)
  part_count = part_count + 1
  parts[part_count] = text
end

local function one_line(text)
  return (gsub(match(text, '^%Z*'), '[\r\n]', ' '))
end

local function to_nul(text)
  return (match(text, '^%Z*'))
end

local function trimmed(text)
  return match(to_nul(text), '^(.-)[\r\n]*$')
end

local function null()
  return client_protocol == 2 and '$-1\r\n' or '_\r\n'
end

local function bulk(text)
  return '$' .. #text .. '\r\n' .. text .. '\r\n'
end

local encode

local function encode_map(map, slots)
  local count = 0
  for _ in next, map do count = count + 1 end
  emit(client_protocol == 2 and format('*%d\r\n', count * 2) or format('%%%d\r\n', count))
  for key, value in next, map do
    encode(key, slots + 4)
    encode(value, slots + 3)
  end
end

local function encode_set(set, slots)
  local count = 0
  for _ in next, set do count = count + 1 end
  emit(format(client_protocol == 2 and '*%d\r\n' or '~%d\r\n', count))
  for key in next, set do
    encode(key, slots + 3)
  end
end

local function encode_array(array, slots)
  local place = part_count + 1
  emit('')
  local count = 0
  while true do
    local item = rawget(array, count + 1)
    if item == nil then break end
    count = count + 1
    encode(item, slots + 1)
  end
  parts[place] = format('*%d\r\n', count)
end

local function encode_verbatim(value)
  local form, text = rawget(value, 'format'), rawget(value, 'string')
  if type(form) ~= 'string' or type(text) ~= 'string' then return false end
  if client_protocol == 2 then
    emit(bulk(text))
  else
    form = sub(match(form, '^%Z*') .. '   ', 1, 3)
    emit('=' .. #text + 4 .. '\r\n' .. form .. ':' .. text .. '\r\n')
  end
  return true
end

local function encode_table(value, slots)
  local field = rawget(value, 'err')
  if type(field) == 'string' then
    local text = trimmed(field)
    note_error(text, rawget(value, 'ignore_error_stats_update') == true)
    emit('-' .. one_line(text) .. '\r\n')
    return
  end
  field = rawget(value, 'ok')
  if type(field) == 'string' then return emit('+' .. one_line(field) .. '\r\n') end
  field = rawget(value, 'double')
  if type(field) == 'number' then
    -- The bridge makes an integer of what is one, and that has no negative zero.
    if field == 0 and 1 / field < 0 then field = '-0' end
    return emit(host.double(field, client_protocol))
  end
  field = rawget(value, 'map')
  if type(field) == 'table' then return encode_map(field, slots) end
  field = rawget(value, 'set')
  if type(field) == 'table' then return encode_set(field, slots) end
  field = rawget(value, 'big_number')
  if type(field) == 'string' then
    local text = one_line(field)
    return emit(client_protocol == 2 and bulk(text) or '(' .. text .. '\r\n')
  end
  field = rawget(value, 'verbatim_string')
  if type(field) == 'table' and encode_verbatim(field) then return end
  return encode_array(value, slots)
end

function encode(value, slots)
  local kind = type(value)
  if slots > STACK_SLOTS_MAX then
    note_error('ERR reached lua stack limit', false)
    emit('-ERR reached lua stack limit\r\n')
  elseif kind == 'string' then
    emit(bulk(value))
  elseif kind == 'number' then
    emit(format(':%d\r\n', value))
  elseif kind == 'boolean' then
    if script_protocol >= 3 and client_protocol >= 3 then
      emit(value and '#t\r\n' or '#f\r\n')
    elseif script_protocol >= 3 then
      emit(value and ':1\r\n' or ':0\r\n')
    else
      emit(value and ':1\r\n' or null())
    end
  elseif kind == 'table' then
    encode_table(value, slots)
  else
    emit(null())
  end
end

local function encoded(value)
  parts, part_count = {}, 0
  script_protocol = host.script_protocol()
  encode(value, 1)
  local text = concat(parts)
  parts = nil
  return ENCODED, text
end

local row  -- the last table that crossed as ROW

-- Encode that table after all: something is in it that does not cross as it is.
local function encode_row()
  return encoded(row)
end

-- A table without a metatable: plain indexing costs less than rawget, which is a call.
local function plain_table(value)
  local field = value.err
  if field ~= nil and type(field) == 'string' then
    return TEXT, trimmed(field), value.ignore_error_stats_update and true
  end
  field = value.ok
  if field ~= nil and type(field) == 'string' then
    return STATUS, field == 'OK' and field or one_line(field)
  end
  local item = value[1]
  if item == nil or value.double or value.map or value.set or value.big_number
      or value.verbatim_string then
    return encoded(value)
  end
  -- A short array of strings and numbers crosses as it is: less work than encoding it here. Python
  -- looks at every item; tables, which cost it most, are mostly seen at the ends.
  local count = 1
  while count <= ROW_MAX and value[count + 1] ~= nil do count = count + 1 end
  if count > ROW_MAX or type(item) == 'table' or type(value[count]) == 'table' then
    return encoded(value)
  end
  row = value
  return ROW, unpack(value, 1, count)
end

local function odd_table(value)
  if type(rawget(value, 'err')) == 'string' then
    return TEXT, trimmed(rawget(value, 'err')), rawget(value, 'ignore_error_stats_update') and true
  end
  if type(rawget(value, 'ok')) == 'string' then
    return STATUS, one_line(rawget(value, 'ok'))
  end
  return encoded(value)
end

local function result(value)
  local kind = type(value)
  if kind == 'table' then
    if getmetatable(value) == nil then return plain_table(value) end
    return odd_table(value)
  end
  if kind == 'string' or kind == 'number' or kind == 'boolean' then return value end
  return nil
end

-- Calls -----------------------------------------------------------------------------------------

local function rearm()
  if interrupted then
    sethook(hook, '', HOOK_INSTRUCTIONS)  -- first, or the next line would be interrupted again
    interrupted = false
  end
  if gc_touched then
    gc_touched = false
    collectgarbage('restart')
    collectgarbage('setpause', 200)
    collectgarbage('setstepmul', 200)
  end
end

local function finish(ok, value)
  if interrupted or gc_touched then rearm() end
  if ok then return result(value) end
  if type(value) ~= 'table' then return FAILED, 'ERR ' .. tostring(value) end
  local text = rawget(value, 'err')
  if type(text) ~= 'string' then text = nil end
  return FAILED, text and to_nul(text), rawget(value, 'ignore_error_stats_update') and true,
      rawget(value, 'source'), rawget(value, 'line')
end

local called, call_keys, call_arguments

local function call_function()
  return called(call_keys, call_arguments)
end

-- Run a function with KEYS and ARGV in tables.
local run_tables
if for_functions then
  function run_tables(f, keys, arguments)
    main = f
    called, call_keys, call_arguments = f, keys, arguments
    return finish(xpcall(call_function, handler))
  end
else
  function run_tables(f, keys, arguments)
    main = f
    globals.KEYS, globals.ARGV = keys, arguments
    return finish(xpcall(f, handler))
  end
end

-- The same with the arguments in a row.
local function run(f, key_count, ...)
  local all, keys, arguments = {...}, {}, {}
  for i = 1, key_count do keys[i] = all[i] end
  for i = key_count + 1, select('#', ...) do arguments[i - key_count] = all[i] end
  return run_tables(f, keys, arguments)
end

-- The same with no key.
local function run_keyless(f, ...)
  return run_tables(f, {}, {...})
end

-- The same with one key.
local function run_one_key(f, key, ...)
  return run_tables(f, {key}, {...})
end

local function set_protocol(protocol)
  client_protocol = protocol
end

-- Run the code of a library of functions, which registers them.
local function load_library(f)
  main = f
  env_metatable.__index = load_globals
  local ok, value = xpcall(f, handler)
  env_metatable.__index = globals
  return finish(ok, value)
end

-- Free what scripts left, as Redis does after every 50th. A small state is left to Lua's own
-- pace, which does as much in fewer and cheaper steps.
local SMALL_KB = 8192
local function step()
  if collectgarbage('count') > SMALL_KB then collectgarbage('step', 50) end
end

-- Tables that redis.call returns. Python holds places of the registry for them, and here their
-- content is renewed: that costs a fraction of a table that Python makes, and of a reference to it.
local OK_TABLES = 32
local array_place, ok_places = nil, {}

local function renew_ok()
  for i = 1, OK_TABLES do registry[ok_places[i]] = {ok = 'OK'} end
end

local function fill_array(...)
  registry[array_place] = {...}
end

-- Return the tables first, for Python to hold, and find their places when it does.
local ok_tables = {}
local function hold(array, ...)
  if array == nil then
    for i = 0, OK_TABLES do ok_tables[i] = {} end
    return unpack(ok_tables, 0, OK_TABLES)
  end
  local numbers = {}
  for i, value in pairs(registry) do
    if type(i) == 'number' and type(value) == 'table' then numbers[value] = i end
  end
  array_place = numbers[array]
  for i = 1, OK_TABLES do ok_places[i] = numbers[ok_tables[i]] end
  ok_tables = nil
  renew_ok()
end

local function forget()
  globals.KEYS, globals.ARGV, call_keys, call_arguments, parts = nil, nil, nil, nil, nil
  row = nil
  fill_array()
  renew_ok()
end

-- Python's references stand in Lua's registry. It grows to its size of later now: it must not need
-- memory while arguments are passed, which is outside of protected mode.
local function references()
  local all = {}
  for i = 1, UNPACKED_MAX - 100 do all[i] = {} end
  return unpack(all)
end

for _, real in pairs({globals, string_library, table_library, math_library, coroutine_library}) do
  for _, f in next, real do
    if type(f) == 'function' then own_functions[f] = true end
  end
end

local real_globals = _G
for name in pairs(real_globals) do real_globals[name] = nil end

return {
  compile = compiled, run = run, run_keyless = run_keyless, run_one_key = run_one_key,
  run_tables = run_tables, set_protocol = set_protocol, encode_row = encode_row,
  load_library = load_library, step = step, forget = forget, references = references,
  hold = hold, renew_ok = renew_ok, fill_array = fill_array,
}
