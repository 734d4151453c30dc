"""The part of cjson that is written in Lua: the encoder, the exact decoder, the settings."""

from __future__ import annotations

from typing import Final

_ENCODER: Final = rb"""
local glue, decode_strict, is_plain, null = ...
decode_strict, is_plain = glue.as_function(decode_strict), glue.as_function(is_plain)
local raise, bad_argument, to_string, to_integer =
    glue.raise, glue.bad_argument, glue.to_string, glue.to_integer
local type, next, rawget, select, tonumber, tostring, setmetatable =
    type, next, rawget, select, tonumber, tostring, setmetatable
local byte, sub, find, gsub, format, char, concat =
    string.byte, string.sub, string.find, string.gsub, string.format, string.char, table.concat
local floor = math.floor
local INT_MAX = 2147483647

local TO_ESCAPE = '[%z\1-\31"\\/\127]'
local ESCAPES = {}
for code = 0, 31 do ESCAPES[char(code)] = format('\\u%04x', code) end
for plain, escaped in pairs({
  ['\b'] = '\\b', ['\t'] = '\\t', ['\n'] = '\\n', ['\f'] = '\\f', ['\r'] = '\\r',
  ['"'] = '\\"', ['\\'] = '\\\\', ['/'] = '\\/', ['\127'] = '\\u007f',
}) do ESCAPES[plain] = escaped end

local function escape(text)
  if find(text, TO_ESCAPE) then return (gsub(text, TO_ESCAPE, ESCAPES)) end
  return text
end

-- An object is put together of two pieces a field: the value, and before it everything up to it:
-- `,"name":` with the quotation marks of the values on both sides. Names recur, so these pieces
-- are kept by name, in a table for each kind of neighbours. `name_of` makes names of other keys.
local PIECES_MAX, NAME_BYTES_MAX = 1000, 64
local function make_pieces(before, after, name_of)
  local count = 0
  local pieces
  pieces = setmetatable({}, {__index = function(_, key)
    if type(key) ~= 'string' then return before .. name_of(key) .. after end
    local piece = before .. escape(key) .. after
    if #key <= NAME_BYTES_MAX then
      if count >= PIECES_MAX then
        for known in next, pieces do pieces[known] = nil end
        count = 0
      end
      pieces[key] = piece
      count = count + 1
    end
    return piece
  end})
  return pieces
end
"""

_ENCODE: Final = rb"""
-- Objects at which a text without escapes was tried in vain are many where one is: after a miss
-- the next texts are escaped at once.
local escaping_left = 0
local ESCAPING_RUN = 20
-- Where lua-cjson finds Lua's stack full, whatever the settings say.
local DEPTH_LIMIT = 3999

-- A buffer is kept for the next call unless it grew beyond this.
local PIECES_KEPT_MAX, BYTES_KEPT_MAX = 4000, 65536

-- Each `put` appends pieces to `buf` behind the n-th and returns the new n.
local function make_encoder(settings)
  local buf, quotes, escaping = {}, 0, false
  local encode
  local put_table

  local function number_text(number)
    if number - number ~= 0 then
      local mode = settings.encode_invalid_numbers
      if mode == 'off' then
        raise(encode, 'Cannot serialise number: must not be NaN or Inf')
      elseif mode == 'null' then return 'null'
      elseif number ~= number then return 'nan' end
    elseif settings.number_format then
      return format(settings.number_format, number)
    end
    return tostring(number)
  end

  local function name_of(key)
    if type(key) == 'number' then return number_text(key) end
    return raise(encode, 'Cannot serialise ' .. type(key)
      .. ': table key must be a number or string')
  end

  local first_string, first_other =
    make_pieces('{"', '":"', name_of), make_pieces('{"', '":', name_of)
  local string_string, string_other =
    make_pieces('","', '":"', name_of), make_pieces('","', '":', name_of)
  local other_string, other_other =
    make_pieces(',"', '":"', name_of), make_pieces(',"', '":', name_of)

  local function put_other(value, kind, n, depth)
    if kind == 'number' then
      buf[n + 1] = number_text(value)
    elseif kind == 'table' then
      return put_table(value, n, depth + 1)
    elseif kind == 'boolean' then
      buf[n + 1] = value and 'true' or 'false'
    elseif value == nil or value == null then
      buf[n + 1] = 'null'
    else
      raise(encode, 'Cannot serialise ' .. kind .. ': type not supported')
    end
    return n + 1
  end

  local function put_array(list, length, n, depth)
    local before = '['
    for i = 1, length do
      local value = rawget(list, i)
      local kind = type(value)
      if kind == 'string' then
        buf[n + 1] = before == '",' and '","' or before .. '"'
        buf[n + 2] = escaping and escape(value) or value
        n = n + 2
        quotes = quotes + 2
        before = '",'
      else
        buf[n + 1] = before
        n = put_other(value, kind, n + 1, depth)
        before = ','
      end
    end
    buf[n + 1] = before == '",' and '"]' or ']'
    return n + 1
  end

  -- The highest index of a table whose keys are all whole numbers from 1 on; -1 for others.
  local function array_length(list)
    local max, items = 0, 0
    for key in next, list do
      if type(key) ~= 'number' or key < 1 or floor(key) ~= key then return -1 end
      if key > max then max = key > INT_MAX and -2147483648 or key end  -- a C int
      items = items + 1
    end
    local ratio = settings.sparse_ratio
    if ratio > 0 and max > items * ratio and max > settings.sparse_safe then
      if not settings.sparse_convert then
        raise(encode, 'Cannot serialise table: excessively sparse array')
      end
      return -1
    end
    return max
  end

  function put_table(object, n, depth)
    if depth > settings.encode_max_depth or depth > DEPTH_LIMIT then
      raise(encode, format('Cannot serialise, excessive nesting (%d)', depth))
    end
    local first = next(object)
    if type(first) == 'number' then
      local length = array_length(object)
      if length > 0 then return put_array(object, length, n, depth) end
    end
    if first == nil then
      buf[n + 1] = '{}'
      return n + 1
    end
    local buf, escaping, is_formatted = buf, escaping, settings.number_format
    local before_string, before_other = first_string, first_other
    local count = 0
    for key, value in next, object do
      local kind = type(value)
      if kind == 'string' then
        buf[n + 1] = before_string[key]
        n = n + 2
        buf[n] = escaping and escape(value) or value
        count = count + 4
        before_string, before_other = string_string, string_other
      else
        buf[n + 1] = before_other[key]
        if kind == 'number' and value - value == 0 and not is_formatted then
          n = n + 2
          buf[n] = value
        else
          n = put_other(value, kind, n + 1, depth)
        end
        count = count + 2
        before_string, before_other = other_string, other_other
      end
    end
    quotes = quotes + count
    buf[n + 1] = before_string == string_string and '"}' or '}'
    return n + 1
  end

  local function put_all(value, escaped)
    escaping, quotes = escaped, 0
    local n = put_table(value, 0, 1)
    local text = concat(buf, '', 1, n)
    if n > PIECES_KEPT_MAX or #text > BYTES_KEPT_MAX then buf = {} end
    return text
  end

  function encode(...)
    if select('#', ...) ~= 1 then bad_argument(encode, 1, 'expected 1 argument') end
    local value = ...
    local kind = type(value)
    if kind == 'table' then
      if escaping_left > 0 then
        escaping_left = escaping_left - 1
        return (put_all(value, true))  -- no tail call: `raise` looks for `encode`
      end
      local text = put_all(value, false)
      if is_plain(text, quotes) then return text end
      escaping_left = ESCAPING_RUN
      return (put_all(value, true))
    elseif kind == 'string' then
      return '"' .. escape(value) .. '"'
    end
    put_other(value, kind, 0, 0)
    return (buf[1])
  end
  return encode
end
"""

_TOKENS: Final = rb"""
-- What stands for itself, and what is skipped.
local SINGLE = {
  [123] = 'T_OBJ_BEGIN', [125] = 'T_OBJ_END', [91] = 'T_ARR_BEGIN', [93] = 'T_ARR_END',
  [58] = 'T_COLON', [44] = 'T_COMMA', [0] = 'T_END',
}
local UNESCAPED = {
  ['"'] = '"', ['\\'] = '\\', ['/'] = '/', b = '\b', t = '\t', n = '\n', f = '\f', r = '\r',
}

local function utf8(code)
  if code < 0x80 then return char(code) end
  local low = 0x80 + code % 64
  if code < 0x800 then return char(0xC0 + floor(code / 64), low) end
  local middle = 0x80 + floor(code / 64) % 64
  if code < 0x10000 then return char(0xE0 + floor(code / 4096), middle, low) end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, middle, low)
end

-- The character of the escape \uXXXX at `at` and its length, or nil where it is none.
local function unicode_escape(text, at)
  local _, _, digits = find(text, '^\\u(%x%x%x%x)', at)
  if not digits then return nil end
  local code = tonumber(digits, 16)
  if code < 0xD800 or code > 0xDFFF then return utf8(code), 6 end
  if code >= 0xDC00 then return nil end
  _, _, digits = find(text, '^\\u(%x%x%x%x)', at + 6)
  local low = digits and tonumber(digits, 16) or 0
  if low < 0xDC00 or low > 0xDFFF then return nil end
  return utf8(0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00)), 12
end

-- The string that begins at `at`, behind its quotation mark: kind, value, position.
local function string_token(text, at)
  local _, last = find(text, '^[^"\\%z]*', at)
  if byte(text, last + 1) == 34 then return 'T_STRING', sub(text, at, last), last + 2 end
  local parts, n = {}, 0
  while true do
    n = n + 1
    parts[n] = sub(text, at, last)
    at = last + 1
    local code = byte(text, at)
    if code == 34 then return 'T_STRING', concat(parts), at + 1 end
    if code ~= 92 then return 'T_ERROR', 'unexpected end of string', at end
    n = n + 1
    local name = sub(text, at + 1, at + 1)
    if name == 'u' then
      local character, length = unicode_escape(text, at)
      if not character then return 'T_ERROR', 'invalid unicode escape code', at end
      parts[n] = character
      at = at + length
    else
      parts[n] = UNESCAPED[name]
      if not parts[n] then return 'T_ERROR', 'invalid escape code', at end
      at = at + 2
    end
    _, last = find(text, '^[^"\\%z]*', at)
  end
end

-- The end of the longest number at `at` in the sense of C's strtod, or nil.
local function number_end(text, at)
  local _, last = find(text, '^[+-]?', at)
  local start = last + 1
  _, last = find(text, '^0[xX]%x+%.?%x*', start)
  if not last then _, last = find(text, '^0[xX]%.%x+', start) end
  if last then
    local _, exponent = find(text, '^[pP][+-]?%d+', last + 1)
    return exponent or last
  end
  _, last = find(text, '^%d+%.?%d*', start)
  if not last then _, last = find(text, '^%.%d+', start) end
  if last then
    local _, exponent = find(text, '^[eE][+-]?%d+', last + 1)
    return exponent or last
  end
  _, last = find(text, '^[iI][nN][fF][iI][nN][iI][tT][yY]', start)
  if last then return last end
  _, last = find(text, '^[iI][nN][fF]', start)
  if last then return last end
  _, last = find(text, '^[nN][aA][nN]', start)
  if last then
    local _, payload = find(text, '^%([%w_]*%)', last + 1)
    return payload or last
  end
  return nil
end

local function number_token(text, at)
  local last = number_end(text, at)
  if not last then return 'T_ERROR', 'invalid number', at end
  local digits = sub(text, at, last)
  local _, _, sign = find(digits, '^(-?)[nN]')
  if sign then return 'T_NUMBER', sign == '-' and 0/0 or -(0/0), last + 1 end
  return 'T_NUMBER', tonumber(digits), last + 1
end

local function is_invalid_number(text, at)
  if find(text, '^%+', at) then return true end
  local _, last = find(text, '^-?', at)
  at = last + 1
  if find(text, '^0[xX%d]', at) then return true end
  local code = byte(text, at) or 0
  if code <= 57 then return false end
  return (find(text, '^[iI][nN][fF]', at) or find(text, '^[nN][aA][nN]', at)) ~= nil
end

-- The next token from `at` on: kind, value, position behind it, its own position.
local function next_token(text, at, allows_invalid)
  local _, last = find(text, '^[ \t\n\r]*', at)
  at = last + 1
  local code = byte(text, at) or 0
  local kind = SINGLE[code]
  if kind then return kind, nil, kind == 'T_END' and at or at + 1, at end
  local value, behind
  if code == 34 then
    kind, value, behind = string_token(text, at + 1)
  elseif code == 45 or (code >= 48 and code <= 57) then
    if not allows_invalid and is_invalid_number(text, at) then
      kind, value, behind = 'T_ERROR', 'invalid number', at
    else
      kind, value, behind = number_token(text, at)
    end
  elseif find(text, '^true', at) then
    return 'T_BOOLEAN', true, at + 4, at
  elseif find(text, '^false', at) then
    return 'T_BOOLEAN', false, at + 5, at
  elseif find(text, '^null', at) then
    return 'T_NULL', null, at + 4, at
  elseif find(text, '^[+iInN]', at) and allows_invalid and is_invalid_number(text, at) then
    kind, value, behind = number_token(text, at)
  else
    kind, value, behind = 'T_ERROR', 'invalid token', at
  end
  if kind == 'T_ERROR' then return kind, value, behind, behind end
  return kind, value, behind, at
end
"""

_DECODE: Final = rb"""
local function make_decoder(settings)
  local decode
  local text, at, allows_invalid, depth
  local kind, value, begin

  local function advance()
    kind, value, at, begin = next_token(text, at, allows_invalid)
  end

  local function expected(what)
    local found = kind == 'T_ERROR' and value or kind
    raise(decode, format('Expected %s but found %s at character %d', what, found, begin))
  end

  local function descend()
    depth = depth + 1
    if depth > settings.decode_max_depth or depth > DEPTH_LIMIT then
      raise(decode, format('Found too many nested data structures (%d) at character %d',
        depth, at - 1))
    end
  end

  local take_value

  local function take_object()
    descend()
    local object = {}
    advance()
    if kind ~= 'T_OBJ_END' then
      while true do
        if kind ~= 'T_STRING' then expected('object key string') end
        local name = value
        advance()
        if kind ~= 'T_COLON' then expected('colon') end
        advance()
        object[name] = take_value()
        advance()
        if kind == 'T_OBJ_END' then break end
        if kind ~= 'T_COMMA' then expected('comma or object end') end
        advance()
      end
    end
    depth = depth - 1
    return object
  end

  local function take_array()
    descend()
    local list = {}
    advance()
    if kind ~= 'T_ARR_END' then
      local i = 1
      while true do
        list[i] = take_value()
        advance()
        if kind == 'T_ARR_END' then break end
        if kind ~= 'T_COMMA' then expected('comma or array end') end
        advance()
        i = i + 1
      end
    end
    depth = depth - 1
    return list
  end

  function take_value()
    if kind == 'T_STRING' or kind == 'T_NUMBER' or kind == 'T_BOOLEAN' or kind == 'T_NULL' then
      return value
    end
    if kind == 'T_OBJ_BEGIN' then return take_object() end
    if kind == 'T_ARR_BEGIN' then return take_array() end
    return expected('value')
  end

  function decode(...)
    local count = select('#', ...)
    if count ~= 1 then bad_argument(decode, 1, 'expected 1 argument') end
    text = ...
    if type(text) ~= 'string' then text = to_string(decode, 1, text, count) end
    local result = decode_strict(text, settings.decode_max_depth)
    if result ~= nil then return result end
    if #text >= 2 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
      raise(decode, 'JSON parser does not support UTF-16 or UTF-32')
    end
    at, depth, allows_invalid = 1, 0, settings.decode_invalid_numbers == 'on'
    advance()
    result = take_value()
    advance()
    if kind ~= 'T_END' then expected('the end') end
    text = nil
    return result
  end
  return decode
end
"""

_SETTINGS: Final = rb"""
-- The functions that read a setting, after having changed it if they got a value.
local function add_settings(cjson, settings)
  local function check_count(fn, allowed, count)
    if count > allowed then
      bad_argument(fn, allowed + 1, 'found too many arguments')
    end
  end

  local function take_integer(fn, position, value, name, min, max)
    if value ~= nil then
      local number = to_integer(fn, position, value)
      number = (number + 2147483648) % 4294967296 - 2147483648  -- kept in a C int
      if number < min or number > max then
        bad_argument(fn, 1, format('expected integer between %d and %d', min, max))
      end
      settings[name] = number
    end
    return settings[name]
  end

  local function take_switch(fn, position, value, allows_null)
    if value == true then return 'on' end
    if value == false then return 'off' end
    local text = to_string(fn, position, value)
    if text == 'on' or text == 'off' or (allows_null and text == 'null') then return text end
    return bad_argument(fn, position, "invalid option '" .. text .. "'")
  end

  local function as_reply(switch)
    if switch == 'null' then return 'null' end
    return switch == 'on'
  end

  local function integer_setting(name, min, max)
    local function fn(...)
      check_count(fn, 1, select('#', ...))
      local value = ...
      return (take_integer(fn, 1, value, name, min, max))
    end
    cjson[name] = fn
  end

  local function switch_setting(name, allows_null)
    local function fn(...)
      check_count(fn, 1, select('#', ...))
      local value = ...
      if value ~= nil then settings[name] = take_switch(fn, 1, value, allows_null) end
      return as_reply(settings[name])
    end
    cjson[name] = fn
  end

  integer_setting('encode_max_depth', 1, INT_MAX)
  integer_setting('decode_max_depth', 1, INT_MAX)
  switch_setting('encode_invalid_numbers', true)
  switch_setting('decode_invalid_numbers', false)
  switch_setting('encode_keep_buffer', false)

  local function encode_number_precision(...)
    check_count(encode_number_precision, 1, select('#', ...))
    local value = ...
    local digits = take_integer(encode_number_precision, 1, value, 'precision', 1, 14)
    settings.number_format = digits ~= 14 and '%.' .. digits .. 'g' or nil
    return digits
  end
  cjson.encode_number_precision = encode_number_precision

  local function encode_sparse_array(...)
    local fn = encode_sparse_array
    check_count(fn, 3, select('#', ...))
    local convert, ratio, safe = ...
    if convert ~= nil then settings.sparse_convert = take_switch(fn, 1, convert) == 'on' end
    ratio = take_integer(fn, 2, ratio, 'sparse_ratio', 0, INT_MAX)
    safe = take_integer(fn, 3, safe, 'sparse_safe', 0, INT_MAX)
    return settings.sparse_convert, ratio, safe
  end
  cjson.encode_sparse_array = encode_sparse_array
end

local function new()
  local settings = {
    sparse_convert = false, sparse_ratio = 2, sparse_safe = 10,
    encode_max_depth = 1000, decode_max_depth = 1000, precision = 14,
    encode_invalid_numbers = 'off', decode_invalid_numbers = 'on', encode_keep_buffer = 'on',
  }
  local cjson = {_NAME = 'cjson', _VERSION = '2.1.0', null = null, new = new}
  cjson.encode = make_encoder(settings)
  cjson.decode = make_decoder(settings)
  add_settings(cjson, settings)
  glue.name_functions(cjson)
  return cjson
end
return new()
"""

SOURCE: Final = _ENCODER + _ENCODE + _TOKENS + _DECODE + _SETTINGS
