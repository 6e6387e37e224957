extends "harness.gd"
## Rings in memory: every vector, and the rules of SPEC.md section 10, with one process as writer and reader.
##
## Arguments: [code]vectors[/code], the folder of the vectors; [code]native[/code], whether native code is expected.

const Codec := preload("res://addons/mirage/protocol/codec.gd")
const Layout := preload("res://addons/mirage/transport/ring_layout.gd")
const Memory := preload("res://addons/mirage/transport/memory.gd")
const Reader := preload("res://addons/mirage/transport/ring_reader.gd")
const Writer := preload("res://addons/mirage/transport/ring_writer.gd")

const PAGE: int = 4096
const SLOT: int = 2 * PAGE
const CAPACITY: int = 3000

var _path: String = OS.get_user_data_dir().path_join("ring")


func finish() -> void:
	DirAccess.remove_absolute(_path)


func test_the_memory_is_what_was_asked_for() -> void:
	equal(Memory.is_native(), arguments.get("native", "false") == "true", "whether it is native")


func test_vectors() -> void:
	var vectors: Array = JSON.parse_string(FileAccess.get_file_as_string(arguments["vectors"] + "/ring.json"))
	check(not vectors.is_empty(), "there are no vectors")
	for vector: Dictionary in vectors:
		var bytes: PackedByteArray = _zeros(int(vector["size"]))
		for at: String in vector["lines"]:
			_put(bytes, int(at), Marshalls.base64_to_raw(vector["lines"][at]))
		equal(_messages(_mapped(bytes)), vector["messages"], vector["name"])


func test_messages_come_as_they_were_written() -> void:
	var place: Layout.Place = _place(3)
	var memory: RefCounted = _memory(place)
	var writer: Writer = Writer.new(memory, place)
	var reader: Reader = Reader.new(memory, place)
	equal(reader.next_bytes(), null, "the message of an empty ring")
	for number: int in range(1, 20):
		var pieces: Array[PackedByteArray] = [_text("one "), _text(""), _text("x".repeat(number))]
		equal(writer.write(pieces), number, "the number")
		equal(reader.next_bytes(), _text("one " + "x".repeat(number)), "message %d" % number)
	equal(reader.next_bytes(), null, "the message after the last")


func test_what_is_written_is_there_for_others_at_once() -> void:
	var place: Layout.Place = _place(3)
	var here: RefCounted = _memory(place)
	var there: RefCounted = Memory.made()
	equal(there.open(_path, here.get_size()), "", "what is wrong with the file")
	var writer: Writer = Writer.new(here, place)
	var reader: Reader = Reader.new(there, place)
	for number: int in range(1, 10):
		equal(reader.next_bytes(), null, "what is read before message %d" % number)
		writer.write([_text(str(number))])
		equal(reader.next_bytes(), _text(str(number)), "message %d" % number)


func test_a_slot_that_is_used_again() -> void:
	var place: Layout.Place = _place(3)
	var memory: RefCounted = _memory(place)
	var writer: Writer = Writer.new(memory, place)
	var reader: Reader = Reader.new(memory, place)
	writer.write([_text("one")])
	check(not writer.taken(), "it was taken before it was read")
	equal(reader.next_bytes(), _text("one"), "the first")
	reader.took()
	check(writer.taken(), "it was taken")
	equal(writer.write([_text("two")], true), 4, "the number after one that used a slot again")
	equal(memory.load_u64(place.slot(1)), 8, "the sequence of the first slot")
	equal(reader.next_bytes(), _text("two"), "the second")


func test_a_slow_reader_gets_the_newest() -> void:
	var place: Layout.Place = _place(3)
	var memory: RefCounted = _memory(place)
	var writer: Writer = Writer.new(memory, place)
	var reader: Reader = Reader.new(memory, place)
	for number: int in range(1, 11):
		writer.write([_text(str(number))])
	for number: int in [8, 9, 10]:
		equal(reader.next_bytes(), _text(str(number)), "message %d" % number)
	equal(reader.next_bytes(), null, "the message after the last")


func test_what_is_too_large_is_refused_and_nothing_is_written() -> void:
	var place: Layout.Place = _place(2)
	var memory: RefCounted = _memory(place)
	var writer: Writer = Writer.new(memory, place)
	_refused(writer.write([_zeros(CAPACITY), _zeros(1)]), &"too-large")
	equal(Reader.new(memory, place).next_bytes(), null, "the message")
	equal(writer.write([_zeros(CAPACITY)]), 1, "the number of one that fits")


func test_a_second_writer_is_found_out() -> void:
	var place: Layout.Place = _place(2)
	var memory: RefCounted = _memory(place)
	var writer: Writer = Writer.new(memory, place)
	equal(Writer.new(memory, place).write([_text("one")]), 1, "the other's number")
	_refused(writer.write([_text("two")]), &"ring")
	equal(Writer.new(memory, place).write([_text("two")]), 2, "the number of one that comes later")


func test_a_number_that_falls_is_an_error() -> void:
	var place: Layout.Place = _place(2)
	var memory: RefCounted = _memory(place)
	var writer: Writer = Writer.new(memory, place)
	var reader: Reader = Reader.new(memory, place)
	for text: String in ["one", "two"]:
		writer.write([_text(text)])
		reader.next_bytes()
	memory.store_u64(place.offset, 1)
	_refused(reader.next_bytes(), &"ring")


func test_messages_are_decoded_where_they_lie() -> void:
	var place: Layout.Place = _place(2)
	var memory: RefCounted = _memory(place)
	var writer: Writer = Writer.new(memory, place)
	var reader: Reader = Reader.new(memory, place)
	# One header is shorter than what is read at first, the other longer.
	for timings: Dictionary in [{"queue": 1.5}, {"x".repeat(2500): 1.0}]:
		var message: Dictionary = _result(7, timings)
		check(writer.write(Codec.encode_pieces(message)) is int, "it was written")
		equal(reader.next(), Codec.decode(Codec.encode(message)), "the message")
	writer.write([_text("no message at all")])
	_refused(reader.next(), &"malformed")
	equal(reader.next(), null, "the message after one that is none")


func test_a_message_with_a_check() -> void:
	var place: Layout.Place = _place(2)
	var memory: RefCounted = _memory(place)
	var message: Dictionary = _result(7, {})
	var bytes: PackedByteArray = Codec.encode(message)
	for damaged: bool in [false, true]:
		Writer.new(memory, place).write([bytes])
		var number: int = memory.load_u64(place.offset)
		var padded: PackedByteArray = bytes.duplicate()
		padded.resize((bytes.size() + 7) / 8 * 8)
		var sum: int = memory.sum(padded) + number * -0x61C8_8646_80B5_83EB + bytes.size()
		memory.store_u64(place.slot(number) + 8, bytes.size() | 1 << 32)
		memory.store_u64(place.slot(number) + 16, sum + int(damaged))
		equal(Reader.new(memory, place).next(), Codec.decode(bytes) if number == 1 else null, "message %d" % number)
		memory.store_u64(place.slot(1), 0)


func test_random_bytes_lead_nowhere() -> void:
	var chance: RandomNumberGenerator = RandomNumberGenerator.new()
	chance.seed = 1
	for attempt: int in 400:
		var place: Layout.Place = _place(2)
		var memory: RefCounted = _memory(place)
		Writer.new(memory, place).write(Codec.encode_pieces(_result(1, {})))
		for patch: int in 4:
			var at: int = chance.randi_range(0, 15) * 8
			var from: int = [place.offset, SLOT, SLOT + 64, 64][patch]
			memory.store_u64(from + at, chance.randi() >> chance.randi_range(0, 31))
		var reader: Reader = Reader.new(memory, place)
		var next: Callable = reader.next_bytes if attempt % 2 == 0 else reader.next
		for read: int in 4:
			next.call()
		Layout.found(memory)
	var page: PackedByteArray = _page()
	for attempt: int in 2000:
		var damaged: PackedByteArray = page.duplicate()
		damaged[chance.randi_range(0, 127)] = chance.randi_range(0, 255)
		var memory: RefCounted = _mapped(damaged + _zeros(5 * PAGE)) if attempt % 40 == 0 else null
		if memory != null and not Layout.found(memory) is MirageError:
			Reader.new(memory, Layout.found(memory).frames).next()


func test_memory_keeps_to_its_bounds() -> void:
	var memory: RefCounted = _mapped(_zeros(PAGE))
	equal(memory.get_size(), PAGE, "the size")
	for offset: int in [-1, PAGE - 7, PAGE, 1 << 62, -(1 << 62)]:
		equal(memory.load_u64(offset), 0, "what is at %d" % offset)
		memory.store_u64(offset, -1)
		equal(memory.read(offset, 8), PackedByteArray(), "the bytes at %d" % offset)
		check(not memory.write(offset, _text("8 bytes.")), "bytes were written at %d" % offset)
	equal(memory.read(0, -1), PackedByteArray(), "less than no bytes")
	equal(memory.read(8, (1 << 63) - 1), PackedByteArray(), "more bytes than there are")
	equal(memory.read(0, PAGE), _zeros(PAGE), "all bytes")
	memory.store_u64(PAGE - 8, -2)
	equal(memory.load_u64(PAGE - 8), -2, "the last number")
	check(memory.write(PAGE - 3, _text("end")), "the last bytes")
	equal(memory.read(PAGE - 3, 3), _text("end"), "the last bytes")
	memory.close()
	equal(memory.get_size(), 0, "the size of what is closed")
	equal(memory.read(0, 8), PackedByteArray(), "the bytes of what is closed")
	equal(memory.load_u64(0), 0, "what is in what is closed")


func test_files_that_cannot_be_opened() -> void:
	_mapped(_zeros(PAGE))
	check(Memory.made().open(_path, PAGE + 1).contains("4096"), "a file that is too short")
	check(Memory.made().open(_path + "-not", PAGE) != "", "a file that is not there")
	check(Memory.made().open(_path.get_base_dir(), PAGE) != "", "a folder")
	for path: String in ["/proc/self/mem", "/proc/1/fd/2/../../environ", "/dev/shm/mirage-1", "/proc/1/fd/", "", _path]:
		check(not Memory.is_plausible(path), path + " is a plausible path")
		_refused(Memory.open(path, PAGE), &"unsupported")
	_refused(Memory.open("/proc/999999999/fd/3", PAGE), &"unsupported")


func _messages(memory: RefCounted) -> Variant:
	var layout: Variant = Layout.found(memory)
	if layout is MirageError:
		return null
	var reader: Reader = Reader.new(memory, (layout as Layout).frames)
	var messages: Array = []
	while true:
		var message: Variant = reader.next_bytes()
		if message is MirageError:
			return null
		if message == null:
			return messages
		messages.append(Marshalls.raw_to_base64(message))
	return null


func _result(id: int, timings: Dictionary) -> Dictionary:
	var data: PackedByteArray = _zeros(16)
	data.fill(id)
	var color: Dictionary = {"format": "rgba8", "width": 2, "height": 2, "data": data}
	return {"type": "result", "id": id, "planes": {"color": color}, "timings": timings}


func _place(slots: int) -> Layout.Place:
	var place: Layout.Place = Layout.Place.new()
	place.offset = PAGE
	place.slots = slots
	place.capacity = CAPACITY
	place.stride = PAGE
	return place


func _memory(place: Layout.Place) -> RefCounted:
	return _mapped(_zeros(place.slot(place.slots) + place.stride))


# The first page of a mapping of six: two rings with a page of control and one slot each.
func _page() -> PackedByteArray:
	var page: PackedByteArray = _zeros(PAGE)
	_put(page, 0, _text("MIRAGESM"))
	page.encode_u32(8, 1)
	page.encode_u32(12, PAGE)
	page.encode_s64(16, 6 * PAGE)
	for ring: int in 2:
		page.encode_s64(64 + 32 * ring, PAGE + 2 * PAGE * ring)
		page.encode_u32(72 + 32 * ring, 1)
		page.encode_u32(76 + 32 * ring, CAPACITY)
		page.encode_s64(80 + 32 * ring, PAGE)
	return page


func _mapped(bytes: PackedByteArray) -> RefCounted:
	var file: FileAccess = FileAccess.open(_path, FileAccess.WRITE)
	file.store_buffer(bytes)
	file.close()
	var memory: RefCounted = Memory.made()
	equal(memory.open(_path, bytes.size()), "", "what is wrong with the file")
	return memory


func _refused(outcome: Variant, code: StringName) -> void:
	check(outcome is MirageError and outcome.code == code, "it is %s, not the error %s" % [outcome, code])


func _zeros(size: int) -> PackedByteArray:
	var zeros: PackedByteArray = []
	zeros.resize(size)
	return zeros


func _text(text: String) -> PackedByteArray:
	return text.to_utf8_buffer()


func _put(bytes: PackedByteArray, at: int, patch: PackedByteArray) -> void:
	for index: int in patch.size():
		bytes[at + index] = patch[index]
