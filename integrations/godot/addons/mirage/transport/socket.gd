@tool
extends RefCounted
## The WebSocket of one connection: messages in and out, and pictures packed and unpacked where they travel as JPEG.
##
## As long as only small messages pass, [method poll] does the work. Once frames travel, here or in shared memory, a thread
## does it: to mask, copy and decode half a megabyte would cost the game several milliseconds of each frame.

const Codec := preload("../protocol/codec.gd")
const Pictures := preload("../client/pictures.gd")

const Rings := preload("rings.gd")

const SUBPROTOCOL: String = "mirage.v1"
## Microseconds that the thread sleeps at least and at most before it looks for a result again; in between, a part of the
## time that it has waited already: that much later is a result seen at most.
const _SHORTEST_SLEEP: int = 200
const _LONGEST_SLEEP: int = 4_000
const _SLEEP_PART: int = 20

## Shared memory that the thread works too; null for none.
var rings: Rings:
	set(value):
		_lock.lock()
		rings = value
		_lock.unlock()

## Whether a result is on its way: else the thread rests until there is something to send, or [method poll] is called.
var expects_result: bool = false

var _peer: WebSocketPeer = WebSocketPeer.new()
var _thread: Thread
var _lock: Mutex = Mutex.new()
var _work_to_do: Semaphore = Semaphore.new()
var _stopping: bool = false
var _outbox: Array[Dictionary] = []
var _inbox: Array = []
var _state: WebSocketPeer.State = WebSocketPeer.STATE_CONNECTING
var _opened: bool = false
var _quality: int = 0
var _last_traffic: int = 0


## Frames are sent as JPEGs of [param quality] 1 to 100, or as they are with 0.
func _init(quality: int = 0) -> void:
	_quality = quality


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE and _thread != null:
		close()


## Begin to connect. [param largest]: bytes of the largest message. Returns whether [param url] is an address at all.
func open(url: String, largest: int) -> bool:
	_peer.supported_protocols = PackedStringArray([SUBPROTOCOL])
	# An inbound buffer that is too small ends the connection with 1009.
	_peer.inbound_buffer_size = largest * 3
	_peer.outbound_buffer_size = largest * 2
	_peer.max_queued_packets = 64
	# Godot prints an error for an address that is none.
	var good: bool = RegEx.create_from_string("^wss?://[^/\\s]+(/\\S*)?$").search(url) != null
	return good and _peer.connect_to_url(url) == OK


## Whether the connection was opened once.
func was_open() -> bool:
	return _opened


func is_open() -> bool:
	return _state == WebSocketPeer.STATE_OPEN


func is_closed() -> bool:
	return _state == WebSocketPeer.STATE_CLOSED


## The code of the close frame, -1 where there was none. To be asked once [method is_closed].
func close_code() -> int:
	return _peer.get_close_code()


## The reason in the close frame.
func close_reason() -> String:
	return _peer.get_close_reason()


## Send a message; it must not be changed any more.
func send(message: Dictionary) -> void:
	_lock.lock()
	_outbox.append(message)
	_lock.unlock()
	if _thread == null:
		_work()
		return
	if message["type"] == "frame":
		_last_traffic = Time.get_ticks_usec()
	_work_to_do.post()


## Return what has come since: messages, where a result has its picture as [code]image[/code], and [MirageError]s for
## what is none.
func poll() -> Array:
	if _thread == null:
		_work()
	else:
		_work_to_do.post()
	_lock.lock()
	var came: Array = _inbox
	_inbox = []
	_lock.unlock()
	return came


## Have the thread look for work now.
func look() -> void:
	_work_to_do.post()


## Do the work in a thread from now on.
func work_in_thread() -> void:
	if _thread == null and not is_closed():
		_last_traffic = Time.get_ticks_usec()
		_thread = Thread.new()
		_thread.start(_run)


## Close the connection, and wait for the thread to end.
func close() -> void:
	_stopping = true
	_work_to_do.post()
	if _thread != null:
		_thread.wait_to_finish()
		_thread = null
	_peer.close()
	_peer.poll()  # so that the close frame leaves


func _run() -> void:
	while not _stopping and not is_closed():
		_work_rings()
		_work()
		if expects_result:
			var waited: int = Time.get_ticks_usec() - _last_traffic
			OS.delay_usec(clampi(waited / _SLEEP_PART, _SHORTEST_SLEEP, _LONGEST_SLEEP))
		else:
			_work_to_do.wait()
		while _work_to_do.try_wait():
			pass  # a round does all that there is to do


## One round: send what waits, and take in what came.
func _work() -> void:
	if _state == WebSocketPeer.STATE_CLOSED:
		return
	_peer.poll()
	_state = _peer.get_ready_state()
	if _state == WebSocketPeer.STATE_OPEN:
		if not _opened:
			_opened = true
			_peer.set_no_delay(true)
		_send_waiting()
	while _peer.get_available_packet_count() > 0:
		var bytes: PackedByteArray = _peer.get_packet()
		_put(_read(bytes, _peer.was_string_packet()))


func _work_rings() -> void:
	_lock.lock()
	var worked: Rings = rings
	_lock.unlock()
	if worked == null:
		return
	var done: Array[bool] = worked.work()
	if done[0]:
		send({"type": "wake"})
	if done[0] or done[1]:
		_last_traffic = Time.get_ticks_usec()


func _send_waiting() -> void:
	_lock.lock()
	var messages: Array[Dictionary] = _outbox
	_outbox = []
	_lock.unlock()
	for message: Dictionary in messages:
		var bytes: PackedByteArray = Codec.encode(_packed(message))
		# More than the buffer holds would be refused with an error in the console.
		if _peer.get_current_outbound_buffered_amount() + bytes.size() > _peer.outbound_buffer_size:
			var problem: String = "a message of %d bytes is more than the WebSocket's buffer takes: send smaller frames, " \
					+ "or set largest_frame"
			_put({"type": "unsent", "id": message.get("id", -1), "message": problem % bytes.size()})
		elif _peer.send(bytes, WebSocketPeer.WRITE_MODE_BINARY) != OK:
			_put({"type": "unsent", "id": message.get("id", -1), "message": "the WebSocket took no message"})
	if not messages.is_empty():
		_peer.poll()  # else it would leave with the next round


func _packed(message: Dictionary) -> Dictionary:
	if _quality == 0 or message["type"] != "frame":
		return message
	var frame: Dictionary = message.duplicate()
	frame["planes"] = message["planes"].duplicate()
	frame["planes"]["color"] = Pictures.packed(message["planes"]["color"], _quality)
	return frame


func _read(bytes: PackedByteArray, is_text: bool) -> Variant:
	if is_text:
		return MirageError.new(&"malformed", "the daemon sent text")
	var message: Variant = Codec.decode(bytes)
	if message is Dictionary and message["type"] == "result":
		_last_traffic = Time.get_ticks_usec()
		message["image"] = Pictures.image_of(message["planes"]["color"])
	return message


func _put(message: Variant) -> void:
	_lock.lock()
	_inbox.append(message)
	_lock.unlock()
