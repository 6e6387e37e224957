@tool
extends RefCounted
## Shared memory in use: a thread writes frames into one ring and reads results from the other, for to copy and decode
## them would cost the game more than a millisecond of each frame.

const Codec := preload("../protocol/codec.gd")
const Layout := preload("ring_layout.gd")
const Pictures := preload("../client/pictures.gd")
const Reader := preload("ring_reader.gd")
const Writer := preload("ring_writer.gd")

var _writer: Writer
var _reader: Reader
var _lock: Mutex = Mutex.new()
## Held for a round of work: whoever holds it may use the memory.
var _working: Mutex = Mutex.new()
var _outbox: Array[Dictionary] = []
var _inbox: Array = []


func _init(memory: RefCounted, layout: Layout) -> void:
	_writer = Writer.new(memory, layout.frames)
	_reader = Reader.new(memory, layout.results)


## Have a frame's message written, which must not be changed any more. [param again]: no other frame is in flight, so the
## last one's slot, which is in the processor's cache, serves again.
func write(message: Dictionary, again: bool) -> void:
	_lock.lock()
	_outbox.append({"message": message, "again": again})
	_lock.unlock()


## Return what has come since: results with their picture as [code]image[/code], a [MirageError] for one that cannot be
## read, or, with the code [code]ring[/code], for rings that are of use no longer.
func take() -> Array:
	_lock.lock()
	var came: Array = _inbox
	_inbox = []
	_lock.unlock()
	return came


## One round, for the thread: write what waits, and read what came. Returns whether something was written, of which the
## daemon is to be told, and whether something came.
func work() -> Array[bool]:
	_working.lock()
	var wrote: bool = false
	for item: Dictionary in _waiting():
		wrote = _write(item["message"], item["again"]) or wrote
	var came: bool = _read()
	_working.unlock()
	return [wrote, came]


## Take back the messages that wait to be written: they are to go another way.
func take_back() -> Array[Dictionary]:
	_working.lock()
	var messages: Array[Dictionary] = []
	for item: Dictionary in _waiting():
		messages.append(item["message"])
	_working.unlock()
	return messages


## Read what is left, and return it with all that was read and not taken.
func finish() -> Array:
	_working.lock()
	_read()
	_working.unlock()
	return take()


func _waiting() -> Array[Dictionary]:
	_lock.lock()
	var waiting: Array[Dictionary] = _outbox
	_outbox = []
	_lock.unlock()
	return waiting


func _write(message: Dictionary, again: bool) -> bool:
	var pieces: Array[PackedByteArray] = Codec.encode_pieces(message)
	if pieces.is_empty():
		_put({"type": "unsent", "id": message["id"], "message": "a frame's header has more than 65536 bytes"})
		return false
	var written: Variant = _writer.write(pieces, again)
	if written is MirageError:
		_put(written)
		return false
	return true


func _read() -> bool:
	var came: bool = false
	while true:
		var message: Variant = _reader.next()
		if message == null:
			break
		came = true
		if message is Dictionary:
			message["image"] = Pictures.image_of(message["planes"]["color"])
		_put(message)
		if message is MirageError and (message as MirageError).code == &"ring":
			return true
	if came:
		_reader.took()
	return came


func _put(message: Variant) -> void:
	_lock.lock()
	_inbox.append(message)
	_lock.unlock()
