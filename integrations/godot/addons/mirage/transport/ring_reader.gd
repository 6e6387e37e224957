@tool
extends RefCounted
## One of those who read a ring of messages in shared memory (SPEC.md section 10.3). Not for several threads at once.
##
## Nothing that the other side writes is trusted: it may write at any moment.

const Codec := preload("../protocol/codec.gd")
const Layout := preload("ring_layout.gd")

## Bytes that are read at first: a header hardly ever has more, and what is behind it is read to its own place.
const _FIRST_READ: int = 2048
const _GOLDEN: int = -0x61C8_8646_80B5_83EB  # 9e3779b97f4a7c15 as a signed number

var _memory: RefCounted
var _place: Layout.Place
var _sender: String
var _number: int = 0


## [param memory] has the methods of [code]memory_file.gd[/code]; [param place] is one of its layout's rings, and
## [param sender] who writes it: [code]server[/code] or [code]client[/code].
func _init(memory: RefCounted, place: Layout.Place, sender: String = "server") -> void:
	_memory = memory
	_place = place
	_sender = sender


## The number of the last message that was read.
func number() -> int:
	return _number


## Return the oldest message that was not read yet and is still there, as [code]codec.gd[/code] decodes it; null where
## there is none. A [MirageError] is a message that cannot be decoded, or, with the code [code]ring[/code], what no
## writer would have written. Messages that were overwritten before they could be read are passed over.
func next() -> Variant:
	return _next(_decoded)


## Return what [method next] does as the bytes of the message.
func next_bytes() -> Variant:
	return _next(_copied)


## Tell the writer that every message up to the last one read is needed no longer.
func took() -> void:
	_memory.store_u64(_place.offset + 8, _number)


func _next(take: Callable) -> Variant:
	# A writer that is faster than this reader for ever must not keep it here for ever.
	for attempt: int in 2 * _place.slots + 2:
		var newest: int = _memory.load_u64(_place.offset)
		if newest < _number or newest > Layout.MAX_NUMBER:
			return _broken("the ring's newest message was %d and is %d" % [_number, newest])
		if newest == _number:
			return null
		_number = maxi(_number, newest - _place.slots) + 1
		var message: Variant = _read(take)
		if message != null:
			return message
	return null


# The message of the current number; null where it is not there, or no longer.
func _read(take: Callable) -> Variant:
	if not _is_whole():
		return null
	var slot: int = _place.slot(_number)
	var lengths: int = _memory.load_u64(slot + 8)
	var size: int = lengths & 0xffff_ffff
	var message: Variant
	if size > _place.capacity:
		message = _broken("a message of %d bytes cannot be in a slot of %d" % [size, _place.capacity])
	elif lengths >> 32 != 0:
		return _checked(slot, size, take)
	else:
		message = take.call(slot + Layout.SLOT_HEADER, size)
	# All that was made of it counts only if it was that message all the time.
	_memory.fence()
	return message if _is_whole() else null


# Whether the slot holds the message of the current number.
func _is_whole() -> bool:
	return _memory.load_u64(_place.slot(_number)) == 2 * _number


func _copied(at: int, size: int) -> Variant:
	return _memory.read(at, size)


# Each plane is read straight to where it shall be.
func _decoded(at: int, size: int) -> Variant:
	var bytes: PackedByteArray = _memory.read(at, mini(size, _FIRST_READ))
	var header_size: Variant = Codec.header_size_of(bytes, size)
	if header_size is MirageError:
		return header_size
	if Codec.LENGTH_SIZE + header_size > bytes.size():
		bytes = _memory.read(at, Codec.LENGTH_SIZE + header_size)
	var start: int = Codec.payload_start(header_size)
	var message: Variant = Codec.decode_header(bytes, header_size, maxi(size - start, 0), _sender)
	if message is MirageError:
		return message
	for plane: Dictionary in message.get("planes", {}).values():
		Codec.take_data(plane, _memory.read(at + start + plane["offset"], plane["size"]))
	return message


# A message with a check is copied as a whole, for the check is over all of it.
func _checked(slot: int, size: int, take: Callable) -> Variant:
	var expected: int = _memory.load_u64(slot + 16)
	var copy: PackedByteArray = _memory.read(slot + Layout.SLOT_HEADER, (size + 7) / 8 * 8)
	_memory.fence()
	if not _is_whole() or _memory.sum(copy) + _number * _GOLDEN + size != expected:
		return null
	copy.resize(size)
	return copy if take == _copied else Codec.decode(copy, _sender)


func _broken(problem: String) -> MirageError:
	return MirageError.new(&"ring", problem)
