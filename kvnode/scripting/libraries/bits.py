"""bit: operations on the 32 bits of a number, as Lua BitOp 1.0.2 has them.

Arguments are numbers of which the lowest 32 bits count; results are signed. Shifts and complements
are arithmetic in Lua, which has no operators for bits. And takes six bits at a time from a table,
until one side has no more: 0.1 to 0.4 us, where a call into Python takes 0.4. Or and exclusive or
follow from it, as a + b is (a or b) + (a and b).
"""

from __future__ import annotations

import struct
from typing import Any, Final

from kvnode.scripting.libraries.glue import CHUNK

_SOURCE: Final = rb"""
local glue, py_odd = ...
local to_number = glue.to_number
py_odd = glue.as_function(py_odd)
local type, select, floor, format, char = type, select, math.floor, string.format, string.char
local upper, sub = string.upper, string.sub
local WORD, HALF = 4294967296, 2147483648
-- The original adds this to a double to have its lowest 32 bits, rounded, at a known place.
local MAGIC = 6755399441055744

-- The lowest 32 bits of a number as a signed one.
local function narrow(number)
  if number >= -HALF and number < HALF and number % 1 == 0 then return number end
  local moved = number + MAGIC
  if moved >= 4503599627370496 and moved < 9007199254740992 then
    return (moved + HALF) % WORD - HALF
  end
  return py_odd(number)  -- so large that the place is another
end

-- The argument at `position`, narrowed.
local function take(fn, position, count, value)
  if type(value) ~= 'number' then value = to_number(fn, position, value, count) end
  return narrow(value)
end

local function tobit(...)
  return take(tobit, 1, select('#', ...), (...)) + 0
end

local function bnot(...)
  return -1 - take(bnot, 1, select('#', ...), (...))
end

-- ANDS[a * 64 + b] is `a and b`, both from 0 to 63.
local ANDS = {}
for a = 0, 63 do
  for b = 0, 63 do
    local combined, bit = 0, 1
    while bit <= a and bit <= b do
      if floor(a / bit) % 2 == 1 and floor(b / bit) % 2 == 1 then combined = combined + bit end
      bit = bit * 2
    end
    ANDS[a * 64 + b] = combined
  end
end

-- The bits that two narrow numbers share, or where `share` is 1 or 2, their sum without these once
-- or twice: or, exclusive or.
local function combine(a, b, share)
  local x, y, combined, place = a, b, 0, 1
  if x < 0 then x = x + WORD end
  if y < 0 then y = y + WORD end
  while x > 0 and y > 0 do
    local low_x, low_y = x % 64, y % 64
    combined = combined + ANDS[low_x * 64 + low_y] * place
    x, y, place = (x - low_x) / 64, (y - low_y) / 64, place * 64
  end
  if combined >= HALF then combined = combined - WORD end
  if share == 0 then return combined end
  return a + b - share * combined
end

local function combining(share)
  local function fn(...)
    local count = select('#', ...)
    local a, b = ...
    -- Narrow already: a test costs less than a call.
    if count == 2 and type(a) == 'number' and type(b) == 'number' and a % 1 == 0 and b % 1 == 0
        and a >= -HALF and a < HALF and b >= -HALF and b < HALF then
      return combine(a, b, share)
    end
    a = take(fn, 1, count, a)
    if count < 2 then return a + 0 end
    for i = count, 3, -1 do a = combine(a, take(fn, i, count, (select(i, ...))), share) end
    return combine(a, take(fn, 2, count, b), share)
  end
  return fn
end

-- `shift(value, places)` gets a value from 0 to 2^32 - 1 and 0 to 31 places.
local function shifting(shift)
  local function fn(...)
    local count = select('#', ...)
    local value, places = ...
    value = take(fn, 1, count, value)
    places = take(fn, 2, count, places)
    value = shift(value % WORD, places % 32)
    if value >= HALF then return value - WORD end
    return value
  end
  return fn
end

local lshift = shifting(function(value, places) return value * 2 ^ places % WORD end)
local rshift = shifting(function(value, places) return floor(value / 2 ^ places) end)
local arshift = shifting(function(value, places)
  if value >= HALF then value = value - WORD end
  return floor(value / 2 ^ places)
end)
local rol = shifting(function(value, places)
  local moved = value * 2 ^ places
  return moved % WORD + floor(moved / WORD)
end)
local ror = shifting(function(value, places)
  local low = value % 2 ^ places
  return (value - low) / 2 ^ places + low * 2 ^ (32 - places) % WORD
end)

local function bswap(...)
  local value = take(bswap, 1, select('#', ...), (...)) % WORD
  local a, b, c = value % 256, floor(value / 256) % 256, floor(value / 65536) % 256
  value = ((a * 256 + b) * 256 + c) * 256 + floor(value / 16777216)
  if value >= HALF then return value - WORD end
  return value
end

local function tohex(...)
  local count = select('#', ...)
  local value, digits = ...
  value = take(tohex, 1, count, value) % WORD
  digits = count < 2 and 8 or take(tohex, 2, count, digits)
  local text = format('%08x', value)
  if digits < 0 then
    text = upper(text)
    digits = digits == -HALF and HALF or -digits
  end
  if digits >= 8 then return text end
  if digits == 0 then return '' end
  return sub(text, -digits)
end

return glue.name_functions({
  tobit = tobit, tohex = tohex, bnot = bnot, bswap = bswap,
  band = combining(0), bor = combining(1), bxor = combining(2),
  lshift = lshift, rshift = rshift, arshift = arshift, rol = rol, ror = ror,
})
"""


def install(lua: Any, glue: Any) -> Any:
    """Return bit's table."""
    return lua.execute(_SOURCE, glue, low_bits, name=CHUNK)


def low_bits(number: float) -> int:
    """Return what the original makes of a number beyond 2^51: the lowest bits of its mantissa."""
    moved: int = struct.unpack("<i", struct.pack("<d", float(number) + 6755399441055744.0)[:4])[0]
    return moved
