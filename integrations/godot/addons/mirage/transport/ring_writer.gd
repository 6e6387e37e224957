@tool
extends RefCounted
## The one who writes a ring of messages in shared memory (SPEC.md section 10.3). Not for several threads at once.

const Layout := preload("ring_layout.gd")

var _memory: RefCounted
var _place: Layout.Place
var _number: int


## [param memory] has the methods of [code]memory_file.gd[/code]; [param place] is one of its layout's rings.
func _init(memory: RefCounted, place: Layout.Place) -> void:
	_memory = memory
	_place = place
	_number = memory.load_u64(place.offset)


## Put one message into the next slot: [param pieces] that follow one another without a gap. Returns its number, or a
## [MirageError]: [code]too-large[/code], or [code]ring[/code] where somebody else has written here.
##
## With [param again] it goes into the slot of the last message, which the caller knows to be needed no longer: memory
## that was used just now is in the processor's cache.
func write(pieces: Array[PackedByteArray], again: bool = false) -> Variant:
	var size: int = 0
	for piece: PackedByteArray in pieces:
		size += piece.size()
	if size > _place.capacity:
		var problem: String = "a message of %d bytes does not fit into a slot of %d" % [size, _place.capacity]
		return MirageError.new(&"too-large", problem)
	if _memory.load_u64(_place.offset) != _number or _number < 0 or _number > Layout.MAX_NUMBER:
		return MirageError.new(&"ring", "somebody else has written into this ring")
	_number += _place.slots if again and _number > 0 else 1
	_put(pieces, size)
	return _number


## Whether the reader says that it has taken the last message, so that its slot may be used again.
func taken() -> bool:
	return _memory.load_u64(_place.offset + 8) == _number


func _put(pieces: Array[PackedByteArray], size: int) -> void:
	var slot: int = _place.slot(_number)
	_memory.store_u64(slot, 2 * _number - 1)
	_memory.fence()
	_memory.store_u64(slot + 8, size)
	var at: int = slot + Layout.SLOT_HEADER
	for piece: PackedByteArray in pieces:
		_memory.write(at, piece)
		at += piece.size()
	if size % 8 != 0:
		var zeros: PackedByteArray = []
		zeros.resize(8 - size % 8)
		_memory.write(at, zeros)
	_memory.fence()
	_memory.store_u64(slot, 2 * _number)
	_memory.fence()
	_memory.store_u64(_place.offset, _number)
