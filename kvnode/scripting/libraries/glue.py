"""What the libraries share on the Lua side: errors and argument checks as C functions have them.

The libraries' functions are Lua functions where Redis has C functions. An error of a C function
names the line of its caller; here it is looked up on the stack, and so is the name under which a
function was called ("bad argument #1 to 'decode'"). Where a tail call has taken the caller's place,
the error keeps the name of our own chunk and the sandbox puts the script's last line there.
"""

from __future__ import annotations

from typing import Any, Final

CHUNK: Final = "=kvnode"  # by this name the sandbox knows functions that are not of the script

# Bytes of Lua's memory for a byte of packed data, at the worst: a list of empty lists.
ROOM_PER_BYTE: Final = 100

_GLUE: Final = rb"""
local getinfo, error, type, tostring, tonumber, floor =
    debug.getinfo, error, type, tostring, tonumber, math.floor
local pairs, setmetatable = pairs, setmetatable
local frexp, ldexp, sub, char = math.frexp, math.ldexp, string.sub, string.char
local INFINITY = math.huge

-- Raise `message` as if `fn`, an active function, were a C function that calls luaL_error.
local function raise(fn, message)
  local level = 2
  while true do
    local info = getinfo(level, 'f')
    if not info then return error(message, 0) end
    if info.func == fn then
      info = getinfo(level + 1, 'S')
      if info and info.what == 'tail' then return error(message) end
      return error(message, level + 1)
    end
    level = level + 1
  end
end

local names = setmetatable({}, {__mode = 'k'})  -- of functions, for calls that show none

local function name_functions(library)
  for name, value in pairs(library) do
    if type(value) == 'function' then names[value] = name end
  end
  return library
end

local function called_as(fn)
  local level = 2
  while true do
    local info = getinfo(level, 'f')
    if not info then return nil, '' end
    if info.func == fn then
      info = getinfo(level + 1, 'S')
      if info and info.what == 'tail' then return names[fn], '' end
      info = getinfo(level, 'n')
      return info.name, info.namewhat
    end
    level = level + 1
  end
end

local function bad_argument(fn, position, reason)
  local name, kind = called_as(fn)
  if kind == 'method' then
    position = position - 1
    if position == 0 then
      return raise(fn, "calling '" .. name .. "' on bad self (" .. reason .. ")")
    end
  end
  return raise(fn, "bad argument #" .. position .. " to '" .. (name or '?') .. "' ("
    .. reason .. ")")
end

-- `value` is missing rather than nil where `count` says that fewer arguments were given.
local function bad_type(fn, position, expected, value, count)
  local found = type(value)
  if value == nil and count and position > count then found = 'no value' end
  return bad_argument(fn, position, expected .. ' expected, got ' .. found)
end

local function to_string(fn, position, value, count)
  local kind = type(value)
  if kind == 'string' then return value end
  if kind == 'number' then return tostring(value) end
  return bad_type(fn, position, 'string', value, count)
end

local function to_number(fn, position, value, count)
  local kind = type(value)
  if kind == 'number' then return value end
  if kind == 'string' then
    local number = tonumber(value)
    if number then return number end
  end
  return bad_type(fn, position, 'number', value, count)
end

-- As C narrows a double to a 64-bit integer.
local function to_integer(fn, position, value, count)
  local number = to_number(fn, position, value, count)
  if number ~= number or number >= 9223372036854775808 or number < -9223372036854775808 then
    return -9223372036854775808
  end
  if number < 0 then return -floor(-number) end
  return floor(number)
end

-- The bits of a floating-point number of `size` bytes as two numbers, the upper and the lower 32
-- (the lower is 0 for 4 bytes), and whether it is that number exactly.
local function float_bits(number, size)
  local sign = (number < 0 or (number == 0 and 1 / number < 0)
    or (number ~= number and sub(tostring(number), 1, 1) == '-')) and 2147483648 or 0
  local field_max, bias, unit, digits = 2047, 1022, 1048576, 53
  if size == 4 then field_max, bias, unit, digits = 255, 126, 8388608, 24 end
  if number ~= number then return sign + (field_max + 0.5) * unit, 0, false end
  if number < 0 then number = -number end
  if number == 0 then return sign, 0, true end
  if number == INFINITY then return sign + field_max * unit, 0, true end
  local mantissa, field = frexp(number)
  field = field + bias
  if field < 1 then
    mantissa = ldexp(mantissa, digits - 1 + field)
    field = 1
  else
    mantissa = mantissa * 2 ^ digits
  end
  local whole = floor(mantissa)
  local rest = mantissa - whole
  if rest > 0.5 or (rest == 0.5 and whole % 2 == 1) then whole = whole + 1 end
  if size == 8 then
    local low = whole % 4294967296
    return sign + (field - 1) * unit + (whole - low) / 4294967296, low, true
  end
  local bits = (field - 1) * unit + whole
  if bits >= field_max * unit then return sign + field_max * unit, 0, false end
  return sign + bits, 0, rest == 0
end

local function word_bytes(word)
  local high, low = floor(word / 65536), word % 65536
  return char(floor(high / 256), high % 256, floor(low / 256), low % 256)
end

-- A number as an IEEE 754 one of 4 or 8 bytes, the most significant first.
local function float_bytes(number, size)
  local high, low, is_exact = float_bits(number, size)
  if size == 4 then return word_bytes(high), is_exact end
  return word_bytes(high) .. word_bytes(low), true
end

return {
  float_bytes = float_bytes,
  name_functions = name_functions,
  raise = raise,
  bad_argument = bad_argument,
  bad_type = bad_type,
  to_string = to_string,
  to_number = to_number,
  to_integer = to_integer,
  as_function = python.as_function,  -- a Python function called so costs a third less
}
"""


def load_glue(lua: Any) -> Any:
    """Return the table of the shared Lua functions."""
    return lua.execute(_GLUE, name=CHUNK)
