extends "harness.gd"
## Shared memory with another process, which reads or writes at the same moment: no torn message is ever accepted.
##
## Arguments: [code]memory[/code] and [code]size[/code], what to open; [code]seconds[/code], how long to read at most;
## [code]count[/code], how many messages to read or write; [code]native[/code], whether native code is expected. The
## other process decides which of the tests makes sense: [code]only[/code] names it.

const Layout := preload("res://addons/mirage/transport/ring_layout.gd")
const Memory := preload("res://addons/mirage/transport/memory.gd")
const Reader := preload("res://addons/mirage/transport/ring_reader.gd")
const Writer := preload("res://addons/mirage/transport/ring_writer.gd")

# Bytes of a message that are checked at once.
const BLOCK: int = 512

var _memory: RefCounted
var _layout: Layout


func prepare() -> void:
	equal(Memory.is_native(), arguments.get("native", "false") == "true", "whether it is native")
	var memory: Variant = Memory.open(arguments["memory"], int(arguments["size"]))
	check(not memory is MirageError, str(memory))
	_memory = memory
	var layout: Variant = Layout.found(memory)
	check(not layout is MirageError, str(layout))
	_layout = layout


## The other writes messages of which each 64-bit word is the message's number.
func test_reading_bytes() -> void:
	var reader: Reader = Reader.new(_memory, _layout.results)
	var seen: int = _read(reader, reader.next_bytes, func(message: Variant, number: int) -> bool:
		return message is PackedByteArray and message == _content(number))
	print("seen %d of %d" % [seen, reader.number()])


## The other writes results of which each byte, and the id, are the message's number, modulo 251 in the bytes.
func test_reading_results() -> void:
	var reader: Reader = Reader.new(_memory, _layout.results)
	var seen: int = _read(reader, reader.next, func(message: Variant, number: int) -> bool:
		if not message is Dictionary or message["id"] != number:
			return false
		var color: Dictionary = message["planes"]["color"]
		var expected: PackedByteArray = []
		expected.resize(color["width"] * color["height"] * 4)
		expected.fill(number % 251)
		return color["data"] == expected)
	print("seen %d of %d" % [seen, reader.number()])


func test_writing_bytes() -> void:
	var writer: Writer = Writer.new(_memory, _layout.frames)
	for number: int in range(1, int(arguments["count"]) + 1):
		var content: PackedByteArray = _content(number)
		var middle: int = content.size() / 3
		equal(writer.write([content.slice(0, middle), content.slice(middle)]), number, "the number")
		if number % 64 == 0:
			OS.delay_usec(500)  # never for the reader, but so that it is met at every moment


## Read until there were enough messages or it took too long; returns how many. All have to be good.
func _read(reader: Reader, next: Callable, is_good: Callable) -> int:
	var deadline: int = Time.get_ticks_msec() + int(float(arguments["seconds"]) * 1000.0)
	var seen: int = 0
	var last: int = 0
	while seen < int(arguments["count"]) and Time.get_ticks_msec() < deadline:
		var message: Variant = next.call()
		if message == null:
			continue
		if not is_good.call(message, reader.number()) or reader.number() <= last:
			check(false, "message %d after %d is torn: %s" % [reader.number(), last, str(message).left(100)])
			break
		last = reader.number()
		seen += 1
		if seen % 2 == 0:
			reader.took()
	check(seen > 0, "nothing came")
	return seen


func _content(number: int) -> PackedByteArray:
	var words: PackedInt64Array = []
	words.resize((number % 97 + 1) * BLOCK / 8)
	words.fill(number)
	return words.to_byte_array()
