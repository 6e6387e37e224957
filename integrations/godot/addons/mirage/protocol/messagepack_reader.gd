@tool
extends RefCounted
## Reads values of MessagePack one after the other, as strictly as SPEC.md section 2 asks.

const MAX_DEPTH: int = 8
const MAX_ENTRIES: int = 1_024
const MAX_TEXT_SIZE: int = 32_768

# Bytes of a number after its tag.
const _WIDTHS: Dictionary[int, int] = {0xca: 4, 0xcb: 8, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8}

## What is wrong; empty as long as nothing is. After that [method take] gives null.
var problem: String = ""

var _bytes: PackedByteArray
var _at: int
var _end: int
# Reads big-endian numbers of many bytes faster than script can put them together.
var _numbers: StreamPeerBuffer = StreamPeerBuffer.new()


## An integer over 2^63 - 1, which [int] cannot hold.
class Huge:
	extends RefCounted

	## About the same number.
	var value: float


func _init(bytes: PackedByteArray, from: int, to: int) -> void:
	_bytes = bytes
	_at = from
	_end = to
	_numbers.big_endian = true
	_numbers.data_array = bytes


## Whether every byte was read.
func is_at_end() -> bool:
	return _at == _end


## Return the next value; [param depth] is that of the map or array around it.
func take(depth: int) -> Variant:
	if _at >= _end:
		return _fail("the header ends too early")
	var tag: int = _bytes[_at]
	_at += 1
	if tag < 0x80:
		return tag
	if tag < 0x90:
		return _map(tag & 15, depth + 1)
	if tag < 0xa0:
		return _array(tag & 15, depth + 1)
	if tag < 0xc0:
		return _text(tag & 31)
	if tag >= 0xe0:
		return tag - 256
	return _tagged(tag, depth)


# The commonest tags stand first: a match is asked from top to bottom.
func _tagged(tag: int, depth: int) -> Variant:
	match tag:
		0xcf, 0xcb:
			return _number(tag)
		0xcc, 0xcd, 0xce:
			return _size(1 << (tag - 0xcc))
		0xd9, 0xda, 0xdb:
			return _text(_size(1 << (tag - 0xd9)))
		0xc0:
			return null
		0xc2:
			return false
		0xc3:
			return true
		0xde, 0xdf:
			return _map(_size(2 << (tag - 0xde)), depth + 1)
		0xdc, 0xdd:
			return _array(_size(2 << (tag - 0xdc)), depth + 1)
		0xc4, 0xc5, 0xc6:
			return _binary(_size(1 << (tag - 0xc4)))
		0xca, 0xd0, 0xd1, 0xd2, 0xd3:
			return _number(tag)
		0xc1:
			return _fail("0xc1 is no MessagePack")
	return _fail("MessagePack extension types are not allowed")


func _number(tag: int) -> Variant:
	var start: int = _skip(_WIDTHS[tag])
	if start < 0:
		return null
	_numbers.seek(start)
	match tag:
		0xcb:
			return _numbers.get_double()
		0xcf:
			return _unsigned(_numbers.get_u64())
		0xd3:
			return _numbers.get_64()
		0xca:
			return _numbers.get_float()
		0xd2:
			return _numbers.get_32()
		0xd1:
			return _numbers.get_16()
	return _numbers.get_8()


# An unsigned number of 1, 2 or 4 bytes; -1 where there are not so many.
func _size(bytes: int) -> int:
	var start: int = _skip(bytes)
	if start < 0:
		return -1
	if bytes == 1:
		return _bytes[start]
	_numbers.seek(start)
	return _numbers.get_u16() if bytes == 2 else _numbers.get_u32()


func _unsigned(number: int) -> Variant:
	if number >= 0:
		return number
	var huge: Huge = Huge.new()
	huge.value = float(number) + 2.0 ** 64
	return huge


func _map(size: int, depth: int) -> Variant:
	if not _enter(size, depth):
		return null
	var map: Dictionary = {}
	for index: int in size:
		var key: Variant = take(depth)
		if not key is String:
			return _fail("map keys must be strings")
		if map.has(key):
			return _fail("the key '%s' stands twice in one map" % str(key).left(40))
		map[key] = take(depth)
		if problem != "":
			return null
	return map


func _array(size: int, depth: int) -> Variant:
	if not _enter(size, depth):
		return null
	var array: Array = []
	for index: int in size:
		array.append(take(depth))
		if problem != "":
			return null
	return array


func _enter(size: int, depth: int) -> bool:
	if depth > MAX_DEPTH:
		_fail("maps and arrays may be nested %d deep" % MAX_DEPTH)
	elif size > MAX_ENTRIES:
		_fail("a map or array may have %d entries, not %d" % [MAX_ENTRIES, size])
	return problem == ""


func _text(size: int) -> Variant:
	var bytes: PackedByteArray = _binary(size)
	# Bytes that are ASCII alone are as many characters, and as many bytes again: most texts are such, and no loop in
	# script is as fast.
	var text: String = bytes.get_string_from_ascii()
	if text.length() == size and text.to_utf8_buffer().size() == size:
		return text
	return _decoded(bytes) if problem == "" else null


func _decoded(bytes: PackedByteArray) -> Variant:
	if not _is_utf8(bytes):
		return _fail("a string is not valid UTF-8")
	var mark: String = ""
	if bytes.size() >= 3 and bytes[0] == 0xef and bytes[1] == 0xbb and bytes[2] == 0xbf:
		mark = String.chr(0xfeff)  # decoding would drop it
	var texts: PackedStringArray = []
	var from: int = 0
	while from <= bytes.size():  # decoding would end at U+0000
		var nul: int = bytes.find(0, from)
		var to: int = nul if nul >= 0 else bytes.size()
		texts.append(bytes.slice(from, to).get_string_from_utf8())
		from = to + 1
	return mark + String.chr(0xfffd).join(texts)


# RFC 3629, section 4. Godot's own decoder prints an error for what is wrong and replaces it.
func _is_utf8(bytes: PackedByteArray) -> bool:
	var left: int = 0
	var low: int = 0x80
	var high: int = 0xbf
	for byte: int in bytes:
		if left > 0:
			if byte < low or byte > high:
				return false
			left -= 1
			low = 0x80
			high = 0xbf
		elif byte >= 0x80:
			if byte < 0xc2 or byte > 0xf4:
				return false
			left = 1 if byte < 0xe0 else 2 if byte < 0xf0 else 3
			low = 0xa0 if byte == 0xe0 else 0x90 if byte == 0xf0 else 0x80
			high = 0x9f if byte == 0xed else 0x8f if byte == 0xf4 else 0xbf
	return left == 0


func _binary(size: int) -> PackedByteArray:
	var start: int = _at
	_at += size
	if size >= 0 and size <= MAX_TEXT_SIZE and _at <= _end:
		return _bytes.slice(start, _at)
	if size > MAX_TEXT_SIZE:
		_fail("a string or binary may have %d bytes, not %d" % [MAX_TEXT_SIZE, size])
	else:
		_fail("the header ends too early")
	return PackedByteArray()


# Where the skipped bytes start; -1 where there are not so many.
func _skip(size: int) -> int:
	_at += size
	if _at <= _end and problem == "":
		return _at - size
	_fail("the header ends too early")
	return -1


func _fail(what: String) -> Variant:
	if problem == "":
		problem = what
	return null
