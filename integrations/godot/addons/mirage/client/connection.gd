@tool
extends RefCounted
## One connection to a daemon: shakes hands, keeps the window, agrees on shared memory and hands on what comes.
##
## It is over after [signal ended]; the client makes another one to come back.

const Clock := preload("clock.gd")
const Codec := preload("../protocol/codec.gd")
const Shared := preload("../transport/shared.gd")
const Socket := preload("../transport/socket.gd")

## The daemon has accepted us: its [code]ready[/code].
signal accepted(message: Dictionary)
## A message that is not settled here: [code]parameters[/code], [code]status[/code], [code]ack[/code],
## [code]show[/code], or an [code]error[/code] that answers a request.
signal heard(message: Dictionary)
## A result came, with its picture as [code]image[/code], and how many milliseconds after its frame was sent.
signal result_came(message: Dictionary, latency: float)
## Frames that will have no result.
signal frames_dropped(ids: Array, reason: String)
## Something is wrong that does not end the connection.
signal complained(error: MirageError)
## The connection is over. [param refused]: coming back would not help.
signal ended(error: MirageError, refused: bool)

const PROTOCOL: int = 1
const SILENCE: int = 10_000_000
## What the codes of close frames mean (SPEC.md section 8).
const CLOSE_CODES: Dictionary[int, StringName] = {
	4400: &"malformed", 4401: &"unauthorized", 4403: &"not-allowed", 4409: &"source-taken", 4429: &"limit",
}

## The daemon's hello: its model, capabilities and parameter table; empty before.
var server: Dictionary = {}
## Whether the daemon has accepted us.
var is_ready: bool = false
## Frames that may be in flight, as the daemon granted it.
var window: int = 2
## The daemon's state: [code]waiting[/code], [code]streaming[/code], [code]paused[/code] or [code]recovering[/code].
var stream_state: String = "waiting"
## The clock of the daemon beside ours.
var clock: Clock = Clock.new()
## Shared memory, where it is to be had.
var shared: Shared

var _settings: Dictionary
var _socket: Socket
var _in_flight: Dictionary[int, int] = {}
var _next_request: int = 0
var _over: bool = false
var _heard_at: int
var _said: MirageError


## [param settings]: url, role, token, take_over, window, parameters, client, jpeg (whether pictures are to travel so),
## quality, transport, largest (bytes of the largest frame that may go by WebSocket).
func _init(settings: Dictionary) -> void:
	_settings = settings
	_socket = Socket.new(settings["quality"] if settings["jpeg"] else 0)
	shared = Shared.new(_socket, _request)
	shared.lost.connect(_on_memory_lost)
	if not settings["transport"] == "websocket" and not Shared.may_be_shared(settings["url"]):
		shared.reason = "the daemon is on another machine"
	if settings["transport"] == "websocket":
		shared.reason = "it was asked for the WebSocket"


## Begin to connect. What comes of it the signals tell, once [method poll] is called.
func open() -> void:
	_heard_at = Time.get_ticks_usec()
	if not _socket.open(_settings["url"], _settings["largest"]):
		_end(MirageError.new(&"unreachable", "%s is no address of a daemon, such as ws://127.0.0.1:8765/main"
				% _settings["url"]), true)


## Take in what came, and emit what came of it.
func poll() -> void:
	if _over:
		return
	for message: Variant in _socket.poll():
		_heard_at = Time.get_ticks_usec()
		_take(message)
	for message: Variant in shared.results():
		_take(message)
	_socket.expects_result = not _in_flight.is_empty()
	if _socket.is_closed():
		_closed()
	else:
		_beat()


## Close the connection and say nothing more.
func close() -> void:
	_over = true
	shared.close()
	_socket.close()


## Whether there is room for one frame beside [param pending] others, where at most [param most] are to be on their way.
func may_send(most: int, pending: int = 0) -> bool:
	return is_ready and not _over and _in_flight.size() + pending < mini(most, window)


## How many frames have no result yet.
func in_flight() -> int:
	return _in_flight.size()


## Send a frame: a message of the protocol without its type and time. Returns whether it is on its way.
func send_frame(frame: Dictionary) -> bool:
	if not is_ready or _over:
		return false
	var planes: Dictionary = _announced(frame["planes"])
	var color: Dictionary = planes["color"]
	var bytes: int = 0
	for plane: Dictionary in planes.values():
		bytes += plane["data"].size() + 16
	shared.want(bytes, color["width"] * color["height"] * 4)
	var message: Dictionary = frame.merged({"type": "frame", "time": Time.get_ticks_usec(), "planes": planes}, true)
	if not "motion" in planes:
		message.erase("motion_from")
	var alone: bool = _in_flight.is_empty()
	_in_flight[frame["id"]] = message["time"]
	_socket.expects_result = true
	if shared.write(message, bytes, alone):
		_socket.look()
	else:
		if shared.reason != "":
			_socket.work_in_thread()
		_socket.send(message)
	return true


## Ask for something; returns the request's number, -1 where there is no connection.
func ask(message: Dictionary) -> int:
	if not is_ready or _over:
		return -1
	var request: int = _request()
	_send(message.merged({"request": request}))
	return request


func _request() -> int:
	_next_request += 1
	return _next_request


func _send(message: Dictionary) -> void:
	_socket.send(message)


func _announced(planes: Dictionary) -> Dictionary:
	var capabilities: Dictionary = server.get("capabilities", {})
	var known: Variant = capabilities.get("planes")
	if not known is Dictionary:
		return planes.duplicate()
	var announced: Dictionary = {}
	for name: String in planes:
		if name in known:
			announced[name] = planes[name]
	return announced


func _take(message: Variant) -> void:
	if message is MirageError:
		# A newer daemon may say more than we know.
		if (message as MirageError).code != &"unknown-message":
			complained.emit(message)
		return
	var told: Dictionary = message
	if told["type"] in ["memory", "ack", "error"] and shared.handle(told):
		_check_transport()
		return
	match told["type"]:
		"hello":
			_hello(told)
		"ready":
			_ready(told)
		"result":
			_result(told)
		"dropped":
			_drop(told["ids"], told["reason"])
		"unsent":
			_drop([told["id"]], "lost")
			complained.emit(MirageError.new(&"too-large", told["message"]))
		"pong":
			clock.heard(told["time"], told["server_time"], Time.get_ticks_usec())
		"error":
			_error(told)
		"status":
			stream_state = told["state"]
			heard.emit(told)
		"ack", "parameters", "show":
			heard.emit(told)


func _hello(message: Dictionary) -> void:
	server = message
	if server["protocol"] != PROTOCOL:
		_end(MirageError.new(&"handshake", "the daemon (%s) speaks version %d of the protocol, this addon version %d"
				% [server["server"], server["protocol"], PROTOCOL], "protocol"), true)
		return
	var capabilities: Dictionary = server["capabilities"]
	var transports: Variant = capabilities.get("transports")
	if shared.reason == "" and not (transports is Array and "shared-memory" in transports):
		shared.reason = "the daemon has none"
	_check_transport()
	var formats: Variant = capabilities.get("results")
	var jpeg: bool = _settings["jpeg"] and formats is Array and "jpeg" in formats
	var hello: Dictionary = {
		"type": "hello", "role": _settings["role"], "client": _settings["client"], "window": _settings["window"],
		"take_over": _settings["take_over"], "result_format": "jpeg" if jpeg else "raw",
		"quality": _settings["quality"],
	}
	if _settings["token"] != "":
		hello["token"] = _settings["token"]
	if not _settings["parameters"].is_empty():
		hello["parameters"] = _known(_settings["parameters"])
	_send(hello)


## Leave out what the daemon's table does not have: it would refuse all the others with it.
func _known(parameters: Dictionary) -> Dictionary:
	var names: Dictionary = {}
	for entry: Variant in server["parameters"]:
		names[entry.get("name")] = true
	var known: Dictionary = {}
	for name: StringName in parameters:
		if names.has(String(name)):
			known[name] = parameters[name]
		else:
			complained.emit(MirageError.new(&"unknown-parameter", "the daemon has no parameter %s" % name, name))
	return known


func _ready(message: Dictionary) -> void:
	is_ready = true
	window = message["window"]
	accepted.emit(message)


func _result(message: Dictionary) -> void:
	var id: int = message["id"]
	var latency: float = NAN
	if _in_flight.has(id):
		latency = (Time.get_ticks_usec() - _in_flight[id]) / 1000.0
		_in_flight.erase(id)
	_drop(message["dropped_ids"], "newer")
	# Results come in the order of the frames: what is older and has none will have none.
	_drop(_in_flight.keys().filter(func(older: int) -> bool: return older < id), "lost")
	result_came.emit(message, latency)


func _drop(ids: Array, reason: String) -> void:
	var ours: Array = ids.filter(func(id: int) -> bool: return _in_flight.erase(id))
	if not ours.is_empty():
		frames_dropped.emit(ours, reason)


func _error(message: Dictionary) -> void:
	var error: MirageError = MirageError.new(message["code"], message["message"], message.get("field", ""))
	if message.has("request"):
		heard.emit(message)
		return
	if message.has("id"):
		_drop([message["id"]], error.message)
	else:
		_said = error  # a close frame may follow: this is why
	complained.emit(error)


func _on_memory_lost() -> void:
	_drop(_in_flight.keys(), "lost")


func _check_transport() -> void:
	if _settings["transport"] == "shared-memory" and shared.reason != "":
		_end(MirageError.new(&"unsupported", "there is no shared memory: %s" % shared.reason), true)


func _beat() -> void:
	var now: int = Time.get_ticks_usec()
	if now - _heard_at > SILENCE:
		_end(MirageError.new(&"disconnected", "the daemon has said nothing for %d seconds" % (SILENCE / 1_000_000)), false)
		return
	if is_ready and clock.asks(now):
		_send({"type": "ping", "time": now})
	if stream_state == "streaming" and shared.is_deaf(now):
		shared.give_up("the daemon does not see what is written there")


func _closed() -> void:
	var code: int = _socket.close_code()
	var error: MirageError = _said
	# Godot throws an error message away that comes together with the close frame, whose reason says the same.
	if CLOSE_CODES.has(code):
		error = MirageError.new(CLOSE_CODES[code], _socket.close_reason())
	elif not _socket.was_open():
		error = MirageError.new(&"unreachable", "no daemon answers at %s: is 'mirage serve' running there?"
				% _settings["url"])
	elif error == null:
		error = MirageError.new(&"disconnected", "the connection to %s was lost" % _settings["url"])
	# Coming back helps where our own connection before this one still holds the source's place, and where a game that
	# was loading for long has not said hello in time.
	var patient: bool = code == 4429 or server.is_empty() or (code == 4409 and _settings["known"] and not is_ready)
	_end(error, CLOSE_CODES.has(code) and not patient)


func _end(error: MirageError, refused: bool) -> void:
	if _over:
		return
	close()
	ended.emit(error, refused)
