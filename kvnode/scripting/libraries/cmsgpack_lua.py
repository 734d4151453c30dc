"""The part of cmsgpack that is written in Lua: the packer and the exact unpacker."""

from __future__ import annotations

from typing import Final

_PACK: Final = rb"""
local glue, unpack_plain, unpack_float = ...
unpack_plain, unpack_float = glue.as_function(unpack_plain), glue.as_function(unpack_float)
local float_bytes = glue.float_bytes
local raise, bad_argument, to_string, to_integer =
    glue.raise, glue.bad_argument, glue.to_string, glue.to_integer
local error, type, next, select, unpack = error, type, next, select, unpack
local setmetatable = setmetatable
local byte, sub, char, concat = string.byte, string.sub, string.char, table.concat
local floor = math.floor

-- Tables inside of this many others become nil, so that a table in itself does no harm.
local LEVELS_MAX = 16

-- A byte; a number from -32 to 127; the header of a string of up to 31 bytes.
local BYTES, SMALL, SHORT = {}, {}, {}
for code = 0, 255 do BYTES[code] = char(code) end
for number = -32, 127 do SMALL[number] = BYTES[number % 256] end
for length = 0, 31 do SHORT[length] = char(0xA0 + length) end

local function big_endian(number, size)
  if size == 2 then return char(floor(number / 256), number % 256) end
  local high = floor(number / 65536)
  local low = number % 65536
  return char(floor(high / 256), high % 256, floor(low / 256), low % 256)
end

local function big_endian_8(number)
  local high = floor(number / 4294967296)
  local low = number - high * 4294967296
  return big_endian(high % 4294967296, 4) .. big_endian(low, 4)
end

local function pack_number(number)
  if floor(number) ~= number or number >= 9223372036854775808
      or number < -9223372036854775808 then
    local bytes, is_exact = float_bytes(number, 4)
    if is_exact then return '\202' .. bytes end
    return '\203' .. float_bytes(number, 8)
  end
  if number >= 0 then
    if number < 256 then return char(0xCC, number) end
    if number < 65536 then return char(0xCD, floor(number / 256), number % 256) end
    if number < 4294967296 then return '\206' .. big_endian(number, 4) end
    return '\207' .. big_endian_8(number)
  end
  if number >= -128 then return char(0xD0, 256 + number) end
  if number >= -32768 then return '\209' .. big_endian(65536 + number, 2) end
  if number >= -2147483648 then return '\210' .. big_endian(4294967296 + number, 4) end
  return '\211' .. big_endian_8(number)
end

local function string_header(length)
  if length < 32 then return SHORT[length] end
  if length < 256 then return char(0xD9, length) end
  if length < 65536 then return '\218' .. big_endian(length, 2) end
  return '\219' .. big_endian(length, 4)
end

-- The header of an array or map: three forms by size.
local function header(size, tiny, medium, large)
  if size < 16 then return BYTES[tiny + size] end
  if size < 65536 then return medium .. big_endian(size, 2) end
  return large .. big_endian(size, 4)
end

-- An array has the keys 1 to n and no others.
local function is_array(object)
  local max, count = 0, 0
  for key in next, object do
    if type(key) ~= 'number' or key <= 0 or floor(key) ~= key or key >= 9223372036854775808 then
      return false
    end
    if key > max then max = key end
    count = count + 1
  end
  return max == count
end

-- Names recur, so they are kept packed.
local NAMES_MAX = 1000
local name_count = 0
local names
names = setmetatable({}, {__index = function(_, name)
  local packed = string_header(#name) .. name
  if #name < 64 then
    if name_count >= NAMES_MAX then
      for known in next, names do names[known] = nil end
      name_count = 0
    end
    names[name] = packed
    name_count = name_count + 1
  end
  return packed
end})

local put

local function put_map(map, buf, n, level)
  n = n + 1
  local at, size = n, 0
  for key, value in next, map do
    size = size + 1
    if type(key) == 'string' then
      n = n + 1
      buf[n] = names[key]
    else
      n = put(key, buf, n, level)
    end
    local kind = type(value)
    if kind == 'string' then
      local length = #value
      buf[n + 1] = SHORT[length] or string_header(length)
      n = n + 2
      buf[n] = value
    elseif kind == 'number' then
      n = n + 1
      buf[n] = SMALL[value] or pack_number(value)
    else
      n = put(value, buf, n, level)
    end
  end
  buf[at] = header(size, 0x80, '\222', '\223')
  return n
end

-- Appends the pieces of `value` to `buf` behind the n-th; returns the new n.
function put(value, buf, n, level)
  local kind = type(value)
  if kind == 'string' then
    local length = #value
    buf[n + 1] = SHORT[length] or string_header(length)
    buf[n + 2] = value
    return n + 2
  elseif kind == 'number' then
    buf[n + 1] = SMALL[value] or pack_number(value)
  elseif kind == 'boolean' then
    buf[n + 1] = value and '\195' or '\194'
  elseif kind ~= 'table' or level == LEVELS_MAX then
    buf[n + 1] = '\192'
  elseif type((next(value))) == 'string' or not is_array(value) then
    return put_map(value, buf, n, level + 1)
  else
    local length = #value
    n = n + 1
    buf[n] = header(length, 0x90, '\220', '\221')
    for i = 1, length do n = put(value[i], buf, n, level + 1) end
    return n
  end
  return n + 1
end

local function pack(...)
  local count = select('#', ...)
  if count == 0 then bad_argument(pack, 0, 'MessagePack pack needs input.') end
  local buf = {}
  if count == 1 then return concat(buf, '', 1, put((...), buf, 0, 0)) end
  local n = 0
  for i = 1, count do n = put((select(i, ...)), buf, n, 0) end
  return concat(buf, '', 1, n)
end
"""

_UNPACK: Final = rb"""
-- Where the C original finds Lua's stack full.
local DEPTH_MAX = 3990

local EOF, BAD = 'Missing bytes in input.', 'Bad data format in input.'
local NIL = {}  -- stands for nil where nil means a fault

local function unsigned(data, at, size)
  local value = 0
  for i = at, at + size - 1 do value = value * 256 + byte(data, i) end
  return value
end

local function signed(data, at, size)
  local value = unsigned(data, at, size)
  local limit = 256 ^ size
  if value >= limit / 2 then return value - limit end
  return value
end

local function signed_8(data, at)
  return signed(data, at, 4) * 4294967296 + unsigned(data, at + 4, 4)
end

-- Bytes behind the first one, and how they are read.
local FIXED = {
  [0xCC] = {1, function(data, at) return byte(data, at) end},
  [0xCD] = {2, function(data, at) return unsigned(data, at, 2) end},
  [0xCE] = {4, function(data, at) return unsigned(data, at, 4) end},
  [0xCF] = {8, signed_8},  -- as the original does, whose integers are signed
  [0xD0] = {1, function(data, at) return signed(data, at, 1) end},
  [0xD1] = {2, function(data, at) return signed(data, at, 2) end},
  [0xD2] = {4, function(data, at) return signed(data, at, 4) end},
  [0xD3] = {8, signed_8},
  [0xCA] = {4, function(data, at) return unpack_float(sub(data, at, at + 3)) end},
  [0xCB] = {8, function(data, at) return unpack_float(sub(data, at, at + 7)) end},
}
local LENGTH_SIZE = {
  [0xD9] = 1, [0xDA] = 2, [0xDB] = 4,
  [0xDC] = 2, [0xDD] = 4, [0xDE] = 2, [0xDF] = 4,
}
local SINGLE = {[0xC0] = NIL, [0xC2] = false, [0xC3] = true}

-- Each `take` returns a value (NIL for nil) and the position behind it, or nil and the fault.
local take

local function take_string(data, at, length)
  if at + length - 1 > #data then return nil, EOF end
  return sub(data, at, at + length - 1), at + length
end

local function take_array(data, at, length, depth)
  local list = {}
  for i = 1, length do
    local value
    value, at = take(data, at, depth + 1)
    if value == nil then return nil, at end
    if value ~= NIL then list[i] = value end
  end
  return list, at
end

local function take_map(data, at, size, depth)
  local map = {}
  for _ = 1, size do
    local key, value
    key, at = take(data, at, depth + 1)
    if key == nil then return nil, at end
    value, at = take(data, at, depth + 1)
    if value == nil then return nil, at end
    if key == NIL then return error('table index is nil', 0) end
    if key ~= key then return error('table index is NaN', 0) end
    if value == NIL then value = nil end
    map[key] = value
  end
  return map, at
end

function take(data, at, depth)
  local code = byte(data, at)
  if not code then return nil, EOF end
  if code < 0x80 then return code, at + 1 end
  if code >= 0xE0 then return code - 256, at + 1 end
  if depth > DEPTH_MAX then return nil, 'stack overflow (in function mp_decode_to_lua_array)' end
  if code < 0x90 then return take_map(data, at + 1, code - 0x80, depth) end
  if code < 0xA0 then return take_array(data, at + 1, code - 0x90, depth) end
  if code < 0xC0 then return take_string(data, at + 1, code - 0xA0) end
  local fixed = FIXED[code]
  if fixed then
    if at + fixed[1] > #data then return nil, EOF end
    return fixed[2](data, at + 1), at + 1 + fixed[1]
  end
  local size = LENGTH_SIZE[code]
  if size then
    if at + size > #data then return nil, EOF end
    local length = unsigned(data, at + 1, size)
    at = at + 1 + size
    if code < 0xDC then return take_string(data, at, length) end
    if code < 0xDE then return take_array(data, at, length, depth) end
    return take_map(data, at, length, depth)
  end
  local value = SINGLE[code]
  if value == nil then return nil, BAD end
  return value, at + 1
end
"""

_INTERFACE: Final = rb"""
-- An offset as the errors show it: its lowest 32 bits.
local function shown(offset)
  return (offset + 2147483648) % 4294967296 - 2147483648
end

-- The values from `offset` on, at most `limit` of them (all: both 0), and their number.
local function take_many(fn, data, limit, offset)
  local takes_all = limit == 0 and offset == 0
  if offset < 0 or limit < 0 then
    raise(fn, 'Invalid request to unpack with offset of ' .. shown(offset) .. ' and limit of '
      .. #data .. '.')
  elseif offset > #data then
    raise(fn, 'Start offset ' .. shown(offset) .. ' greater than input length ' .. #data .. '.')
  end
  local values, count, at = {}, 0, offset + 1
  while at <= #data and (takes_all or count < limit) do
    local value
    value, at = take(data, at, 0)
    if value == nil then raise(fn, at) end
    count = count + 1
    if count > 7990 then
      raise(fn, 'stack overflow (too many return values at once; '
        .. 'use unpack_one or unpack_limit instead.)')
    end
    if value ~= NIL then values[count] = value end
  end
  return values, count, at > #data and -1 or at - 1
end

-- Up to so many bytes are read here for less than a call into Python costs.
local SHORT_BYTES = 40

local function unpack_all(...)
  local data = ...
  if type(data) ~= 'string' then data = to_string(unpack_all, 1, data, select('#', ...)) end
  if #data > SHORT_BYTES then
    local value = unpack_plain(data)
    if value ~= nil then return value end
  end
  local values, count = take_many(unpack_all, data, 0, 0)
  return unpack(values, 1, count)
end

local function unpack_one(...)
  local count = select('#', ...)
  local data, offset = ...
  offset = offset == nil and 0 or to_integer(unpack_one, 2, offset)
  data = to_string(unpack_one, 1, data, count)
  local values, n, behind = take_many(unpack_one, data, 1, offset)
  return behind, unpack(values, 1, n)
end

local function unpack_limit(...)
  local count = select('#', ...)
  local data, limit, offset = ...
  limit = to_integer(unpack_limit, 2, limit, count)
  offset = offset == nil and 0 or to_integer(unpack_limit, 3, offset)
  data = to_string(unpack_limit, 1, data, count)
  local values, n, behind = take_many(unpack_limit, data, limit, offset)
  if limit == 0 and offset == 0 then return unpack(values, 1, n) end
  return behind, unpack(values, 1, n)
end

return glue.name_functions({
  pack = pack, unpack = unpack_all, unpack_one = unpack_one, unpack_limit = unpack_limit,
  _NAME = 'cmsgpack', _VERSION = 'lua-cmsgpack 0.4.0',
  _COPYRIGHT = 'Copyright (C) 2012, Salvatore Sanfilippo',
  _DESCRIPTION = 'MessagePack C implementation for Lua',
})
"""

SOURCE: Final = _PACK + _UNPACK + _INTERFACE
