@tool
extends RefCounted
## Writes values of MessagePack one after the other, each as short as it can be.

var _out: StreamPeerBuffer = StreamPeerBuffer.new()


func _init() -> void:
	_out.big_endian = true


## All that was written.
func bytes() -> PackedByteArray:
	return _out.data_array


## Append [param value].
func put(value: Variant) -> void:
	match typeof(value):
		TYPE_INT:
			_integer(value)
		TYPE_FLOAT:
			_out.put_u8(0xcb)
			_out.put_double(value)
		TYPE_STRING, TYPE_STRING_NAME:
			_text(value)
		TYPE_BOOL:
			_out.put_u8(0xc3 if value else 0xc2)
		TYPE_DICTIONARY:
			_map(value)
		TYPE_PACKED_BYTE_ARRAY:
			_head((value as PackedByteArray).size(), 0, 0, [0xc4, 0xc5, 0xc6])
			_out.put_data(value)
		TYPE_ARRAY, TYPE_PACKED_INT32_ARRAY, TYPE_PACKED_INT64_ARRAY, TYPE_PACKED_FLOAT32_ARRAY, \
		TYPE_PACKED_FLOAT64_ARRAY, TYPE_PACKED_STRING_ARRAY:
			_array(value)
		_:
			_out.put_u8(0xc0)


func _integer(value: int) -> void:
	if value >= -32 and value < 0x80:
		_out.put_u8(value & 0xff)
	elif value < 0:
		_out.put_u8(0xd3)
		_out.put_64(value)
	elif value < 0x1_0000:
		_out.put_u8(0xcd)
		_out.put_u16(value)
	elif value < 0x1_0000_0000:
		_out.put_u8(0xce)
		_out.put_u32(value)
	else:
		_out.put_u8(0xcf)
		_out.put_u64(value)


func _text(text: String) -> void:
	var encoded: PackedByteArray = text.to_utf8_buffer()
	_head(encoded.size(), 0xa0, 32, [0xd9, 0xda, 0xdb])
	_out.put_data(encoded)


func _array(array: Variant) -> void:
	var items: Array = Array(array)
	_head(items.size(), 0x90, 16, [0, 0xdc, 0xdd])
	for item: Variant in items:
		put(item)


func _map(map: Dictionary) -> void:
	_head(map.size(), 0x80, 16, [0, 0xde, 0xdf])
	for key: Variant in map:
		_text(str(key))
		put(map[key])


# A tag with a size: in the tag itself where it is under [param limit], else after one of [param tags] in 1, 2 or 4
# bytes.
func _head(size: int, small: int, limit: int, tags: Array[int]) -> void:
	if size < limit:
		_out.put_u8(small | size)
	elif size < 0x100 and tags[0] != 0:
		_out.put_u8(tags[0])
		_out.put_u8(size)
	elif size < 0x1_0000:
		_out.put_u8(tags[1])
		_out.put_u16(size)
	else:
		_out.put_u8(tags[2])
		_out.put_u32(size)
