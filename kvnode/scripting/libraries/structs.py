"""struct: binary records by a format, as Roberto Ierusalimschy's struct 0.2 with Redis's checks."""

from __future__ import annotations

import struct
from typing import Any, Final

from kvnode.scripting.libraries.glue import CHUNK

_FORMATS: Final = rb"""
local glue, unpack_float = ...
unpack_float = glue.as_function(unpack_float)
local float_bytes = glue.float_bytes
local raise, bad_argument, to_string, to_number, to_integer =
    glue.raise, glue.bad_argument, glue.to_string, glue.to_number, glue.to_integer
local type, select, tonumber, unpack = type, select, tonumber, unpack
local byte, sub, find, char, concat = string.byte, string.sub, string.find, string.char,
    table.concat
local rep, reverse, floor = string.rep, string.reverse, math.floor
local INT_MAX, SIZE_MAX, WORD = 2147483647, 32, 4294967296

local SIZES = {B = 1, b = 1, H = 2, h = 2, L = 8, l = 8, T = 8, f = 4, d = 8, x = 1}
local INTEGERS = {
  B = true, b = true, H = true, h = true, L = true, l = true, T = true, I = true, i = true,
}

-- The number at `at` of a format and the position behind it; `default` where there is none.
local function take_number(fn, format, at, default)
  local _, last = find(format, '^%d+', at)
  if not last then return default, at end
  local number = 0
  for i = at, last do
    local digit = byte(format, i) - 48
    if number > 214748364 or number * 10 > INT_MAX - digit then
      raise(fn, 'integral size overflow')
    end
    number = number * 10 + digit
  end
  return number, last + 1
end

-- The size of what an option stands for (0: it has none of its own), and where the next one is.
local function take_size(fn, option, format, at)
  local size = SIZES[option]
  if size then return size, at end
  if option == 'c' then return take_number(fn, format, at, 1) end
  if option == 'i' or option == 'I' then
    size, at = take_number(fn, format, at, 4)
    if size > SIZE_MAX then
      raise(fn, 'integral size ' .. size .. ' is larger than limit of ' .. SIZE_MAX)
    end
    return size, at
  end
  return 0, at
end

-- Bytes from `length` to the next position where `size` bytes may stand. A size that is no power
-- of two gives what C's masks make of it, hence the detour over bits.
local function padding(length, align, option, size)
  if size == 0 or option == 'c' then return 0 end
  if size > align then size = align end
  if size == 1 then return 0 end
  local mask, masked, bit = size - 1, 0, 1
  while bit <= mask do
    if floor(mask / bit) % 2 == 1 and floor(length / bit) % 2 == 1 then masked = masked + bit end
    bit = bit * 2
  end
  local rest, result = size - masked, 0
  bit = 1
  while bit <= mask do
    if floor(mask / bit) % 2 == 1 and floor(rest / bit) % 2 == 1 then result = result + bit end
    bit = bit * 2
  end
  return result
end

-- Follow an option that controls: return byte order, alignment, position.
local function control(fn, option, format, at, is_big, align)
  if option == ' ' then return is_big, align, at end
  if option == '>' then return true, align, at end
  if option == '<' then return false, align, at end
  if option == '!' then
    align, at = take_number(fn, format, at, 8)
    local power = 1
    while power < align do power = power * 2 end
    if power ~= align then raise(fn, 'alignment ' .. align .. ' is not a power of 2') end
    return is_big, align, at
  end
  return bad_argument(fn, 1, "invalid format option '" .. option .. "'")
end

-- What a format stands for, worked out once: lists in step (`kind` is the option, of integers
-- INTEGER or, signed, SIGNED). False for one with alignment, with c0 or with an error: those are
-- followed option by option.
local INTEGER, SIGNED, FLOAT = 1, 2, 3
local PLANS_MAX = 200
local plans, plan_count = {}, 0

local function make_plan(format)
  local kinds, sizes, orders, limits, n = {}, {}, {}, {}, 0
  local is_big, at = false, 1
  while at <= #format do
    local option, size = sub(format, at, at), nil
    at = at + 1
    if option == '>' or option == '<' then
      is_big = option == '>'
    elseif option ~= ' ' then
      size = SIZES[option]
      if not size and find(option, '^[ciI]') then
        local _, last = find(format, '^%d+', at)
        if last and last - at > 4 then return false end
        size = last and tonumber(sub(format, at, last)) or (option == 'c' and 1 or 4)
        at = last and last + 1 or at
        if size == 0 or (option ~= 'c' and size > 8) then return false end
      end
      if not size and option ~= 's' then return false end
      n = n + 1
      local kind = option
      if INTEGERS[option] then kind = option > 'a' and SIGNED or INTEGER end
      if option == 'f' or option == 'd' then kind = FLOAT end
      kinds[n], sizes[n], orders[n], limits[n] = kind, size or 0, is_big, 256 ^ (size or 0)
    end
  end
  return {kinds = kinds, sizes = sizes, orders = orders, limits = limits, n = n}
end

local function plan_of(format)
  local plan = plans[format]
  if plan == nil then
    if type(format) ~= 'string' or #format > 100 then return false end
    if plan_count == PLANS_MAX then plans, plan_count = {}, 0 end
    plan = make_plan(format)
    plans[format], plan_count = plan, plan_count + 1
  end
  return plan
end

-- A format ends where C sees its end.
local function take_format(fn, value, count)
  local format = to_string(fn, 1, value, count)
  local zero = find(format, '%z')
  return zero and sub(format, 1, zero - 1) or format
end
"""

_PACK: Final = rb"""
-- A number in `size` bytes: its lowest 64 bits, zeros above them.
local function integer_bytes(number, size, is_big)
  local low, high
  if number ~= number or number >= 18446744073709551616 or number < -9223372036854775808 then
    low, high = 0, number < 0 and 2147483648 or 0
    if number ~= number then high = 2147483648 end
  else
    number = number < 0 and -floor(-number) or floor(number)
    high = floor(number / WORD)
    low = number - high * WORD
    high = high % WORD
  end
  local bytes = char(low % 256, floor(low / 256) % 256, floor(low / 65536) % 256,
    floor(low / 16777216))
  if size > 4 then
    bytes = bytes .. char(high % 256, floor(high / 256) % 256, floor(high / 65536) % 256,
      floor(high / 16777216))
  end
  if size < #bytes then bytes = sub(bytes, 1, size)
  elseif size > #bytes then bytes = bytes .. rep('\0', size - #bytes) end
  return is_big and reverse(bytes) or bytes
end

local pack

-- The same for a format with a plan.
local function pack_planned(plan, values)
  local kinds, sizes, orders, limits = plan.kinds, plan.sizes, plan.orders, plan.limits
  local parts, argument, n = {}, 2, plan.n
  for i = 1, n do
    local kind, value, size = kinds[i], values[argument], sizes[i]
    if kind == 'x' then
      parts[i] = '\0'
    elseif kind == INTEGER or kind == SIGNED then
      local number = to_number(pack, argument, value)
      if number >= 0 and number < limits[i] and size <= 4 and number % 1 == 0 then
        if size == 1 then
          parts[i] = char(number)
        elseif size == 2 then
          local low = number % 256
          local high = (number - low) / 256
          if orders[i] then parts[i] = char(high, low) else parts[i] = char(low, high) end
        else
          parts[i] = integer_bytes(number, size, orders[i])
        end
      else
        parts[i] = integer_bytes(number, size, orders[i])
      end
      argument = argument + 1
    elseif kind == FLOAT then
      local bytes = float_bytes(to_number(pack, argument, value), size)
      parts[i] = orders[i] and bytes or reverse(bytes)
      argument = argument + 1
    else
      local text = to_string(pack, argument, value)
      argument = argument + 1
      if kind == 's' then
        parts[i] = text .. '\0'
      else
        if #text < size then bad_argument(pack, argument, 'string too short') end
        parts[i] = sub(text, 1, size)
      end
    end
  end
  return concat(parts, '', 1, n)
end

function pack(...)
  local plan = plan_of((...))
  if plan then
    local packed = pack_planned(plan, {...})
    return packed
  end
  local count = select('#', ...)
  local format = take_format(pack, (...), count)
  local is_big, align = false, 1
  local parts, n, total = {}, 0, 0
  local argument, at = 2, 1
  while at <= #format do
    local option = sub(format, at, at)
    local size
    size, at = take_size(pack, option, format, at + 1)
    local gap = padding(total, align, option, size)
    if gap > 0 then
      n = n + 1
      parts[n] = rep('\0', gap)
      total = total + gap
    end
    n = n + 1
    if INTEGERS[option] then
      parts[n] = integer_bytes(to_number(pack, argument, (select(argument, ...))), size, is_big)
      argument = argument + 1
    elseif option == 'x' then
      parts[n] = '\0'
    elseif option == 'f' or option == 'd' then
      local number = to_number(pack, argument, (select(argument, ...)))
      local bytes = float_bytes(number, size)
      parts[n] = is_big and bytes or reverse(bytes)
      argument = argument + 1
    elseif option == 'c' or option == 's' then
      local text = to_string(pack, argument, (select(argument, ...)))
      argument = argument + 1
      if size == 0 then size = #text end
      if #text < size then bad_argument(pack, argument, 'string too short') end
      parts[n] = sub(text, 1, size)
      if option == 's' then
        n = n + 1
        parts[n] = '\0'
        size = size + 1
      end
    else
      is_big, align, at = control(pack, option, format, at, is_big, align)
      n = n - 1
    end
    total = total + size
  end
  return concat(parts, '', 1, n)
end
"""

_UNPACK: Final = rb"""
-- The number in `size` bytes from `at` on; of more than 8 bytes the lowest 8 count.
local function integer_value(data, at, size, is_big, is_signed)
  local used = size < 8 and size or 8
  local first, step = at, 1
  if not is_big then first, step = at + size - 1, -1 end
  first = first + step * (size - used)
  local high, low = 0, 0
  for i = 0, used - 1 do
    local code = byte(data, first + i * step)
    if used - i > 4 then high = high * 256 + code else low = low * 256 + code end
  end
  if is_signed and used > 0 then
    if used > 4 then
      local limit = 256 ^ (used - 4)
      if high >= limit / 2 then high = high - limit end
    else
      local limit = 256 ^ used
      if low >= limit / 2 then low = low - limit end
    end
  end
  return high * WORD + low
end

local unpack_record

-- The same for a format with a plan, from the beginning of `data`.
local function unpack_planned(plan, data)
  local kinds, sizes, orders = plan.kinds, plan.sizes, plan.orders
  local values, n, at, length = {}, 0, 1, #data
  for i = 1, plan.n do
    local kind, size = kinds[i], sizes[i]
    if at + size - 1 > length then
      bad_argument(unpack_record, 2, 'data string too short')
    end
    if kind == INTEGER and size <= 4 then
      local a, b, c, d = byte(data, at, at + size - 1)
      n = n + 1
      if size == 1 then
        values[n] = a
      elseif size == 2 then
        values[n] = orders[i] and a * 256 + b or b * 256 + a
      elseif size == 4 then
        values[n] = orders[i] and ((a * 256 + b) * 256 + c) * 256 + d
            or ((d * 256 + c) * 256 + b) * 256 + a
      else
        values[n] = integer_value(data, at, size, orders[i], false)
      end
    elseif kind == INTEGER or kind == SIGNED then
      n = n + 1
      values[n] = integer_value(data, at, size, orders[i], kind == SIGNED)
    elseif kind == FLOAT then
      n = n + 1
      values[n] = unpack_float(sub(data, at, at + size - 1), orders[i])
    elseif kind == 's' then
      local zero = find(data, '\0', at, true)
      if not zero then raise(unpack_record, 'unfinished string in data') end
      n = n + 1
      values[n] = sub(data, at, zero - 1)
      size = zero - at + 1
    elseif kind == 'c' then
      n = n + 1
      values[n] = sub(data, at, at + size - 1)
    end
    at = at + size
  end
  values[n + 1] = at
  return values, n + 1
end

function unpack_record(...)
  local count = select('#', ...)
  local format, data, offset = ...
  if count == 2 and type(data) == 'string' then
    local plan = plan_of(format)
    if plan then
      local values, n = unpack_planned(plan, data)
      return unpack(values, 1, n)
    end
  end
  format = take_format(unpack_record, format, count)
  data = to_string(unpack_record, 2, data, count)
  local at = offset == nil and 1 or to_integer(unpack_record, 3, offset)
  if at == 0 then bad_argument(unpack_record, 3, 'offset must be 1 or greater') end
  at = at - 1
  if at < 0 then at = at + 18446744073709551616 end
  local length = #data
  local is_big, align = false, 1
  local values, n = {}, 0
  local place = 1
  while place <= #format do
    local option = sub(format, place, place)
    local size
    size, place = take_size(unpack_record, option, format, place + 1)
    at = at + padding(at, align, option, size)
    if size > length or at > length - size then
      bad_argument(unpack_record, 2, 'data string too short')
    end
    if INTEGERS[option] then
      n = n + 1
      values[n] = integer_value(data, at + 1, size, is_big, option > 'a')
    elseif option == 'f' or option == 'd' then
      n = n + 1
      values[n] = unpack_float(sub(data, at + 1, at + size), is_big)
    elseif option == 'c' then
      if size == 0 then
        local given = tonumber(values[n])
        if n == 0 or not given then
          raise(unpack_record, "format 'c0' needs a previous size")
        end
        size = given < 0 and -floor(-given) or floor(given)
        if given >= 18446744073709551616 then size = 0 end  -- as C converts it
        n = n - 1
        if size ~= size or size < 0 or size > length or at > length - size then
          bad_argument(unpack_record, 2, 'data string too short')
        end
      end
      n = n + 1
      values[n] = sub(data, at + 1, at + size)
    elseif option == 's' then
      local zero = find(data, '%z', at + 1)
      if not zero then raise(unpack_record, 'unfinished string in data') end
      n = n + 1
      values[n] = sub(data, at + 1, zero - 1)
      size = zero - at
    elseif option ~= 'x' then
      is_big, align, place = control(unpack_record, option, format, place, is_big, align)
    end
    at = at + size
  end
  values[n + 1] = at + 1
  return unpack(values, 1, n + 1)
end

local function size(...)
  local format = take_format(size, (...), select('#', ...))
  local is_big, align, total, at = false, 1, 0, 1
  while at <= #format do
    local option = sub(format, at, at)
    local bytes
    bytes, at = take_size(size, option, format, at + 1)
    total = total + padding(total, align, option, bytes)
    if option == 's' then
      bad_argument(size, 1, "option 's' has no fixed size")
    elseif option == 'c' and bytes == 0 then
      bad_argument(size, 1, "option 'c0' has no fixed size")
    end
    if not find(option, '^%w') then
      is_big, align, at = control(size, option, format, at, is_big, align)
    end
    total = total + bytes
  end
  return total
end

return glue.name_functions({pack = pack, unpack = unpack_record, size = size})
"""


def install(lua: Any, glue: Any) -> Any:
    """Return struct's table."""
    return lua.execute(_FORMATS + _PACK + _UNPACK, glue, unpack_float, name=CHUNK)


def unpack_float(data: bytes, is_big: bool) -> float:
    """Return the number in 4 or 8 bytes."""
    order = ">" if is_big else "<"
    value: float = struct.unpack(order + ("f" if len(data) == 4 else "d"), data)[0]
    return value
