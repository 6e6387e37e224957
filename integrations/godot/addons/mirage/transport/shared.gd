@tool
extends RefCounted
## The client's side of shared memory on one connection: asks for it, opens and proves it, and lets go of it (SPEC.md
## section 10).

## Memory that was in use is used no more: what went through it and has no answer will have none.
signal lost

const Layout := preload("ring_layout.gd")
const Memory := preload("memory.gd")
const Rings := preload("rings.gd")
const Socket := preload("socket.gd")

const MAX_HEADER_SIZE: int = 65_536
## Microseconds after which memory that nothing has ever come back through is given up: on some systems what a file's
## reader and writer see is not one memory.
const PATIENCE: int = 5_000_000

## Whether frames and results go through memory now.
var in_force: bool = false
## Why they do not; empty while that is not known.
var reason: String = ""

var _socket: Socket
var _next_request: Callable
## The request that waits for an answer; -1 where there is none.
var _asked: int = -1
var _proving: int = -1
var _sizes: Vector2i = Vector2i.ZERO
var _granted: Vector2i = Vector2i.ZERO
## What was opened and is not proved yet, and what is in use.
var _opened: Rings
var _rings: Rings
var _first_written: int = 0
var _answered: bool = false
## Results that were still in memory that was exchanged for larger.
var _left: Array = []


## [param socket] takes messages and works the rings, [param next_request] gives a number for the next message that asks
## for an answer.
func _init(socket: Socket, next_request: Callable) -> void:
	_socket = socket
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
	_socket.send({
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
		_socket.send({"type": "unshared", "request": _next_request.call(), "reason": why})
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
	_opened = null
	_rings = null
	_socket.rings = null


## Have a frame's message written whose planes have [param size] bytes, if that fits; returns whether it does.
## [param again]: no other frame is in flight.
func write(message: Dictionary, size: int, again: bool) -> bool:
	# From the proof of larger memory on nobody reads the ring that is in use still.
	if not in_force or _proving >= 0 or size + MAX_HEADER_SIZE > _granted.x:
		return false
	if _first_written == 0:
		_first_written = Time.get_ticks_usec()
	_rings.write(message, again)
	return true


## Return the results that have come since, each a message with its [code]image[/code], or a [MirageError] for one that
## cannot be read.
func results() -> Array:
	var messages: Array = _left
	_left = []
	if in_force:
		messages.append_array(_rings.take())
	_answered = _answered or not messages.is_empty()
	for message: Variant in messages:
		if in_force and message is MirageError and (message as MirageError).code == &"ring":
			give_up((message as MirageError).message)
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
	_opened = Rings.new(memory, layout)
	_proving = message["request"]
	if _rings != null:
		for waiting: Dictionary in _rings.take_back():
			_socket.send(waiting)
	_socket.send({"type": "shared", "request": _proving, "nonce": (layout as Layout).nonce})


func _take_over() -> void:
	if _rings != null:
		_left = _rings.finish()
	_rings = _opened
	_opened = null
	_socket.rings = _rings
	_socket.work_in_thread()
	_granted = _sizes
	_first_written = 0
	_answered = false
	in_force = true
