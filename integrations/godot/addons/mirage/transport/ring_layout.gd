@tool
extends RefCounted
## Where the rings lie in shared memory, as its first page says (SPEC.md section 10.2).

const VERSION: int = 1
const PAGE: int = 4096
const SLOT_HEADER: int = 64
const MAX_SLOTS: int = 1024
## The largest number that a message may have.
const MAX_NUMBER: int = (1 << 62) - 1

## The ring that the client writes.
var frames: Place
## The ring that the server writes.
var results: Place
## The 16 bytes that prove to the server that its memory was opened.
var nonce: PackedByteArray


## One ring: [member slots] slots of [member capacity] bytes each, [member stride] bytes apart.
class Place:
	extends RefCounted

	var offset: int
	var slots: int
	var capacity: int
	var stride: int

	## Whether it lies within [param size] bytes, as a ring has to.
	func fits(size: int) -> bool:
		var whole_pages: int = (SLOT_HEADER + capacity + PAGE - 1) / PAGE * PAGE
		if offset < PAGE or offset % PAGE != 0 or slots < 1 or slots > MAX_SLOTS or stride != whole_pages:
			return false
		return offset <= size - PAGE - slots * stride

	## Where the slot of message [param number] begins.
	func slot(number: int) -> int:
		return offset + PAGE + posmod(number - 1, slots) * stride


## Return the layout of [param memory], or a [MirageError] ([code]ring[/code]) where that is no such memory.
static func found(memory: RefCounted) -> Variant:
	var page: PackedByteArray = memory.read(0, PAGE)
	if page.size() < PAGE:
		return _broken("shared memory has at least %d bytes; this has %d" % [PAGE, memory.get_size()])
	if page.slice(0, 8).get_string_from_ascii() != "MIRAGESM":
		return _broken("this is not Mirage's shared memory")
	if page.decode_u32(8) != VERSION or page.decode_u32(12) != PAGE:
		return _broken("shared memory of version %d is not known here" % page.decode_u32(8))
	var size: int = page.decode_s64(16)
	if size < 0 or size > memory.get_size():
		return _broken("shared memory says that it has %d bytes; it has %d" % [size, memory.get_size()])
	var layout := new()
	layout.nonce = page.slice(24, 40)
	layout.frames = _place(page, 64)
	layout.results = _place(page, 96)
	if not layout.frames.fits(size) or not layout.results.fits(size):
		return _broken("a ring does not fit into shared memory of %d bytes" % size)
	return layout


static func _place(page: PackedByteArray, at: int) -> Place:
	var place: Place = Place.new()
	place.offset = page.decode_s64(at)
	place.slots = page.decode_u32(at + 8)
	place.capacity = page.decode_u32(at + 12)
	place.stride = page.decode_s64(at + 16)
	return place


static func _broken(problem: String) -> MirageError:
	return MirageError.new(&"ring", problem)
