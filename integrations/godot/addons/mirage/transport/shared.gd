@tool
extends RefCounted
## The client's side of shared memory on one connection: asks for it, opens and proves it, writes frames and reads
## results (SPEC.md section 10).

## Memory that was in use is used no more: what went through it and has no answer will have none.
signal lost

const Codec := preload("../protocol/codec.gd")
const Layout := preload("ring_layout.gd")
const Memory := preload("memory.gd")
const Reader := preload("ring_reader.gd")
const Writer := preload("ring_writer.gd")

const MAX_HEADER_SIZE: int = 65_536
## Microseconds after which memory that nothing has ever come back through is given up: on some systems what a file's
## reader and writer see is not one memory.
const PATIENCE: int = 5_000_000

## Whether frames and results go through memory now.
var in_force: bool = false
## Why they do not; empty while that is not known.
var reason: String = ""

var _send: Callable
var _next_request: Callable
## The request that waits for an answer; -1 where there is none.
var _asked: int = -1
var _proving: int = -1
var _sizes: Vector2i = Vector2i.ZERO
var _granted: Vector2i = Vector2i.ZERO
var _opened: Dictionary = {}
var _writer: Writer
var _reader: Reader
var _first_written: int = 0
var _answered: bool = false
## Results that were still in memory that was exchanged for larger.
var _left: Array = []


## [param send] takes a message, [param next_request] gives a number for the next one that asks for an answer.
func _init(send: Callable, next_request: Callable) -> void:
	_send = send
	_next_request = next_request


## Whether a server at [param url] may be on this machine: only then is a path that it names opened.
static func may_be_shared(url: String) -> bool:
	var host: String = url.get_slice("://", 1).get_slice("/", 0)
	host = host.substr(0, host.find("]") + 1) if host.begins_with("[") else host.get_slice(":", 0)
	return host == "localhost" or host == "[::1]" or host.begins_with("127.")


## Ask for memory that frames and results of so many bytes fit into, unless there is some or it is not to be had.
func want(frame_size: int, result_size: int) -> void:
	if reason != "" or _asked >= 0 or _proving >= 0:
		return
	var needed: Vector2i = Vector2i(frame_size, result_size) + Vector2i.ONE * MAX_HEADER_SIZE
	if in_force and needed.x <= _granted.x and needed.y <= _granted.y:
		return
	# A window that is dragged larger would ask anew with each frame.
	_sizes = needed if not in_force else (needed * 3) / 2
	_asked = _next_request.call()
	_send.call({
		"type": "share", "request": _asked, "frame_size": _sizes.x, "result_size": _sizes.y, "wake": "none",
	})


## Take in an answer of the daemon's; returns whether it was one to us.
func handle(message: Dictionary) -> bool:
	var request: int = message.get("request", -1)
	if request < 0 or (request != _asked and request != _proving):
		return false
	match message["type"]:
		"memory":
			_asked = -1
			_open(message)
		"ack":
			_proving = -1
			_take_over()
		"error":
			give_up(message["message"], false)
	return true


## Use no memory any more, and say why; [param tell] the daemon too.
func give_up(why: String, tell: bool = true) -> void:
	if tell:
		_send.call({"type": "unshared", "request": _next_request.call(), "reason": why})
	var was_in_force: bool = in_force
	reason = why
	close()
	if was_in_force:
		lost.emit()


## Let go of the memory.
func close() -> void:
	in_force = false
	_asked = -1
	_proving = -1
	_opened = {}
	_writer = null
	_reader = null


## Write a frame's message, if it fits; returns whether it was written. [param again]: no other frame is in flight, so the
## last one's slot, which is in the processor's cache, serves again.
func write(message: Dictionary, again: bool) -> bool:
	if not in_force:
		return false
	var pieces: Array[PackedByteArray] = Codec.encode_pieces(message)
	var size: int = 0
	for piece: PackedByteArray in pieces:
		size += piece.size()
	if size > _granted.x or pieces.is_empty():
		return false
	var written: Variant = _writer.write(pieces, again)
	if written is MirageError:
		give_up((written as MirageError).message)
		return false
	if _first_written == 0:
		_first_written = Time.get_ticks_usec()
	_send.call({"type": "wake"})
	return true


## Return the results that have come since, each a message or a [MirageError] for one that cannot be read.
func results() -> Array:
	var messages: Array = _left
	_left = []
	while in_force:
		var message: Variant = _reader.next()
		if message == null:
			break
		_answered = true
		messages.append(message)
		if message is MirageError and (message as MirageError).code == &"ring":
			give_up((message as MirageError).message)
	if in_force and not messages.is_empty():
		_reader.took()
	return messages


## Whether frames were written long ago and nothing was ever answered through this memory.
func is_deaf(now: int) -> bool:
	return in_force and not _answered and _first_written > 0 and now - _first_written > PATIENCE


func _open(message: Dictionary) -> void:
	var memory: Variant = Memory.open(message["path"], message["size"])
	if memory is MirageError:
		give_up((memory as MirageError).message)
		return
	var layout: Variant = Layout.found(memory)
	if layout is MirageError:
		give_up((layout as MirageError).message)
		return
	_opened = {"memory": memory, "layout": layout}
	_proving = message["request"]
	_send.call({"type": "shared", "request": _proving, "nonce": (layout as Layout).nonce})


func _take_over() -> void:
	_left = results()
	var layout: Layout = _opened["layout"]
	_writer = Writer.new(_opened["memory"], layout.frames)
	_reader = Reader.new(_opened["memory"], layout.results)
	_opened = {}
	_granted = _sizes
	_first_written = 0
	_answered = false
	in_force = true
