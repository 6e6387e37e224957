@tool
@icon("icons/mirage_client.svg")
class_name MirageClient
extends Node
## A connection to a Mirage daemon that finds its way back when it is lost.
##
## It connects by itself when the game starts. [MirageView] sends what a viewport or camera shows through it; a game may
## also call [method send_frame] itself. [member parameters] are the stream's controls: a change acts at once, in the
## editor too, where this node connects as a controller and leaves the picture to the running game.

const Connection := preload("client/connection.gd")
const Meter := preload("client/meter.gd")
const Shared := preload("transport/shared.gd")

## The connection entered another [enum State]. [param message] is one line for a person.
signal state_changed(state: State, message: String)
## A transformed frame came.
signal result_received(result: MirageResult)
## Frames that will have no result, and why: [code]newer[/code], [code]failed[/code] or [code]lost[/code].
signal frames_dropped(ids: Array, reason: String)
## Parameters were changed by somebody, as the protocol has them; [member parameters] has them too.
signal parameters_changed(values: Dictionary)
## What the daemon made of a prompt: which looks it is, and words that had no effect (SPEC.md section 4.7, [code]ack[/code]).
signal prompt_understood(meaning: Dictionary)
## The stream's own state changed: [code]waiting[/code], [code]streaming[/code], [code]paused[/code],
## [code]recovering[/code].
signal stream_state_changed(state: String, message: String)
## The show changed (SPEC.md section 4.11), once [method play] was called with [code]watch[/code].
signal show_changed(show: Dictionary)
## Something is wrong: a value that the daemon refused, a message that is none, a connection that failed.
signal problem(error: MirageError)

## Where the connection is.
enum State {
	DISCONNECTED, ## Not connected, and not trying.
	CONNECTING, ## Trying for the first time.
	CONNECTED, ## The daemon has accepted this client.
	RECONNECTING, ## The connection was lost; it is tried again by itself.
	REFUSED, ## The daemon does not accept this client; [member last_error] says why. It is not tried again.
}

## What a client is on its stream.
enum Role {
	SOURCE, ## Sends frames; a stream has at most one.
	VIEWER, ## Receives results only.
	CONTROLLER, ## Sets parameters only.
}

## How frames travel.
enum Transport {
	AUTO, ## Shared memory where the daemon is on this machine, else the WebSocket.
	WEBSOCKET, ## Always the WebSocket.
	SHARED_MEMORY, ## Shared memory or nothing.
}

## How pictures travel by WebSocket.
enum Compression {
	AUTO, ## Raw on this machine, as JPEG to others.
	RAW, ## Always raw.
	JPEG, ## Always as JPEG.
}

## Frames more than the window that are asked for, in case that they are captured late.
const _MOST_LAG: int = 2
const _FIRST_WAIT: float = 0.25
const _LONGEST_WAIT: float = 5.0

## The daemon's address; its path names the stream.
@export var url: String = "ws://127.0.0.1:8765/main"
## The controls of the stream. A change acts at once; what others change (the page, OSC) appears here.
@export var parameters: MirageParameters = MirageParameters.new():
	set(value):
		_follow(parameters, value)
		parameters = value
## What this client is on its stream.
@export var role: Role = Role.SOURCE
## Whether to connect when the game starts.
@export var connect_at_start: bool = true
## Whether to connect in the editor, as a controller: then parameters that are changed in the inspector act on the stream.
@export var connect_in_editor: bool = true

@export_group("Transport")
## How frames travel.
@export var transport: Transport = Transport.AUTO
## How pictures travel by WebSocket.
@export var compression: Compression = Compression.AUTO
## The quality of those JPEGs.
@export_range(1, 100) var jpeg_quality: int = 85
## Frames that may be on their way at once: while one is transformed the next is already there.
@export_range(1, 64) var window: int = 2
## The largest frame that the WebSocket's buffers are made for; shared memory grows by itself.
@export var largest_frame: Vector2i = Vector2i(1920, 1080)

@export_group("Access")
## The token of a daemon that asks for one.
@export var token: String = ""
## Whether to take the stream from another source.
@export var take_over: bool = false

## Where the connection is.
var state: State = State.DISCONNECTED
## What went wrong last; null where nothing has.
var last_error: MirageError
## What the daemon said of itself: its model, capabilities and parameter table (SPEC.md section 4.1).
var server: Dictionary = {}
## Frames of the game that pass between capturing and sending: so many more are on their way. [MirageView] sets it.
var capture_lag: int = 0

var _connection: Connection
var _meter: Meter = Meter.new()
## What this client has set and nobody has changed since: it is asked for again on the next connection.
var _own: Dictionary[StringName, Variant] = {}
## What is in force, as the daemon said last.
var _values: Dictionary[StringName, Variant] = {}
## What was changed in this frame of the game: it is sent as one, so that it takes effect as one.
var _changes: Dictionary[StringName, Variant] = {}
var _next_id: int = 0
var _known: bool = false
var _attempts: int = 0
var _retry_at: int = 0
## The parameters that each request has asked for; none for one to the show.
var _requests: Dictionary[int, Array] = {}
var _watches: bool = false
## Milliseconds: of the last result, and of a frame of the game.
var _last_latency: float = 0.0
var _frame_time: float = 0.0


func _init() -> void:
	process_priority = -1000  # results that have come are there for whoever draws this frame
	process_mode = Node.PROCESS_MODE_ALWAYS
	_follow(null, parameters)


func _ready() -> void:
	if connect_in_editor if Engine.is_editor_hint() else connect_at_start:
		connect_to_daemon()


func _exit_tree() -> void:
	disconnect_from_daemon()


func _process(delta: float) -> void:
	var began: int = Time.get_ticks_usec()
	_frame_time = delta * 1000.0
	_meter.frame_over()
	if _connection != null:
		_connection.poll()
	elif state in [State.CONNECTING, State.RECONNECTING] and began >= _retry_at:
		_open()
	_meter.spent_since(began)


## Connect, and stay connected until [method disconnect_from_daemon] or a refusal. A daemon that does not answer is tried
## again and again.
func connect_to_daemon() -> void:
	disconnect_from_daemon()
	_own.clear()
	if _role() == Role.SOURCE and parameters != null:
		_own.merge(parameters.chosen())
	_known = false
	_attempts = 0
	_enter(State.CONNECTING, "connecting to %s" % url)
	_open()


## Close the connection and stay away.
func disconnect_from_daemon() -> void:
	_let_go()
	_enter(State.DISCONNECTED, "disconnected")


## Whether the daemon has accepted this client and the connection stands.
func is_connected_to_daemon() -> bool:
	return state == State.CONNECTED


## Whether a frame may be sent now, with [param pending] others about to be: as a source, and within the window.
func can_send(pending: int = 0) -> bool:
	if _connection == null or _role() != Role.SOURCE:
		return false
	# A daemon that takes longer than capturing is busy with the window alone; more would only wait there.
	var quick: bool = _last_latency < capture_lag * _frame_time
	return _connection.may_send(window + (mini(capture_lag, _MOST_LAG) if quick else 0), pending)


## The number for a frame that is about to be captured: ids only grow, gaps do no harm.
func next_frame_id() -> int:
	_next_id += 1
	return _next_id


## Send a frame. [param planes] maps [code]color[/code] and, where there are any, [code]depth[/code],
## [code]motion[/code], [code]normal[/code] and [code]ids[/code] to a dictionary of [code]format[/code],
## [code]width[/code], [code]height[/code] and [code]data[/code] (SPEC.md section 5). [param extras] may have
## [code]camera[/code] and [code]motion_from[/code]. Returns whether the frame is on its way; it is not where
## [method can_send] is false.
func send_frame(id: int, planes: Dictionary, extras: Dictionary = {}) -> bool:
	if not can_send():
		return false
	var began: int = Time.get_ticks_usec()
	var sent: bool = _connection.send_frame(extras.merged({"id": id, "planes": planes}, true))
	_meter.spent_since(began)
	return sent


## Send a picture alone, with the next id. Returns the id, or -1 where it was not sent.
func send_image(image: Image) -> int:
	var picture: Image = image
	if picture.get_format() not in [Image.FORMAT_RGBA8, Image.FORMAT_RGB8]:
		picture = image.duplicate()
		picture.convert(Image.FORMAT_RGBA8)
	var color: Dictionary = {
		"format": "rgba8" if picture.get_format() == Image.FORMAT_RGBA8 else "rgb8",
		"width": picture.get_width(), "height": picture.get_height(), "data": picture.get_data(),
	}
	var id: int = next_frame_id()
	return id if not picture.is_empty() and send_frame(id, {"color": color}) else -1


## Change parameters, all or none, as the protocol has them. Whether the daemon took them the signals tell. A change made
## while there is no connection is sent with the next one.
func set_parameters(values: Dictionary) -> void:
	if parameters != null:
		parameters.take(values)
	for name: Variant in values:
		_change(StringName(name), values[name])


## Play the show, or change it: [param action] and [param fields] as in SPEC.md section 4.11, such as [code]go[/code].
func play(action: String, fields: Dictionary = {}) -> void:
	if action == "watch":
		_watches = true
	_ask(fields.merged({"type": "show", "action": action}, true), [])


## The last ten seconds: [code]p50[/code], [code]p95[/code] and [code]p99[/code] of the milliseconds from sending a frame
## until its result is in hand, [code]jitter[/code], [code]rate[/code] (results a second), [code]results[/code],
## [code]drops[/code]; [code]cost_p50[/code] and [code]cost_p95[/code], the milliseconds of the addon's own work in a
## frame of the game, without [code]readback_p50[/code] and [code]readback_p95[/code], in which it waited for the graphics
## card to finish a picture; [code]in_flight[/code]; [code]transport[/code], and as [code]transport_reason[/code] why it is not
## shared memory; [code]offset[/code], the microseconds that the daemon's clock is ahead. Unknown numbers are NAN.
func get_statistics() -> Dictionary:
	var figures: Dictionary = _meter.figures(Time.get_ticks_usec())
	var connected: bool = _connection != null
	figures["in_flight"] = _connection.in_flight() if connected else 0
	figures["transport"] = "shared-memory" if connected and _connection.shared.in_force else "websocket"
	figures["transport_reason"] = _connection.shared.reason if connected else ""
	figures["offset"] = _connection.clock.offset() if connected else NAN
	return figures


## Count work that another part of the addon did in this frame, begun at [param began] ([method Time.get_ticks_usec]).
func count_cost(began: int) -> void:
	_meter.spent_since(began)


## Count microseconds of that work in which the graphics card was waited for.
func count_wait(microseconds: int) -> void:
	_meter.waited(microseconds)


func _role() -> Role:
	return Role.CONTROLLER if Engine.is_editor_hint() else role


func _open() -> void:
	var here: bool = Shared.may_be_shared(url)
	_connection = Connection.new({
		"url": url,
		"role": ["source", "viewer", "controller"][_role()],
		"token": token,
		"take_over": take_over and not _known,
		"window": mini(window + _MOST_LAG, 64),
		# The editor only changes things: it does not put back what was there when it connected.
		"parameters": {} if _role() == Role.VIEWER or Engine.is_editor_hint() else _own,
		"client": "mirage godot %s" % Engine.get_version_info()["string"],
		"jpeg": compression == Compression.JPEG or (compression == Compression.AUTO and not here),
		"quality": jpeg_quality,
		"transport": ["auto", "websocket", "shared-memory"][transport],
		"largest": maxi(largest_frame.x * largest_frame.y * 4, 65_536) + 262_144,
		"known": _known,
	})
	_connection.accepted.connect(_on_accepted)
	_connection.heard.connect(_on_heard)
	_connection.result_came.connect(_on_result)
	_connection.frames_dropped.connect(_on_dropped)
	_connection.complained.connect(_complain)
	_connection.ended.connect(_on_ended)
	_connection.open()


func _let_go() -> void:
	if _connection != null:
		_connection.close()
	_connection = null
	_requests.clear()
	_meter.clear()


func _enter(new_state: State, message: String) -> void:
	if new_state == state:
		return
	state = new_state
	state_changed.emit(state, message)


func _complain(error: MirageError) -> void:
	last_error = error
	problem.emit(error)


func _on_accepted(message: Dictionary) -> void:
	_known = true
	_attempts = 0
	server = _connection.server
	_learn(message["parameters"])
	_enter(State.CONNECTED, "connected to %s at %s" % [server["server"], url])
	if _watches:
		play("watch")


func _on_heard(message: Dictionary) -> void:
	match message["type"]:
		"parameters":
			for name: String in message["parameters"]:
				_own.erase(StringName(name))  # it is somebody else's now
			_learn(message["parameters"])
		"status":
			stream_state_changed.emit(message["state"], message["message"])
		"show":
			show_changed.emit(message)
		"ack":
			_requests.erase(message["request"])
			_learn(message["parameters"])
			if message.has("prompt"):
				prompt_understood.emit(message["prompt"])
		"error":
			_take_back(_requests.get(message["request"], []))
			_requests.erase(message["request"])
			_complain(MirageError.new(message["code"], message["message"], message.get("field", "")))


func _on_result(message: Dictionary, latency: float) -> void:
	if message["image"] is MirageError:
		_complain(message["image"])
		return
	_last_latency = latency
	_meter.came(Time.get_ticks_usec(), latency)
	result_received.emit(MirageResult.of(message, message["image"], latency))


func _on_dropped(ids: Array, reason: String) -> void:
	_meter.dropped(Time.get_ticks_usec(), ids.size())
	frames_dropped.emit(ids, reason)


func _on_ended(error: MirageError, refused: bool) -> void:
	_let_go()
	last_error = error
	if refused:
		_enter(State.REFUSED, error.message)
		problem.emit(error)
		return
	if error.code == &"source-taken":
		take_over = false  # to take it back unasked would set two games against each other for ever
	var first: bool = _attempts == 0
	var wait: float = minf(_FIRST_WAIT * pow(2.0, _attempts), _LONGEST_WAIT) * randf_range(0.75, 1.25)
	_attempts += 1
	_retry_at = Time.get_ticks_usec() + roundi(wait * 1e6)
	_enter(State.RECONNECTING if _known else State.CONNECTING, error.message)
	if first:
		problem.emit(error)


func _ask(message: Dictionary, names: Array) -> void:
	if _connection == null:
		return
	var request: int = _connection.ask(message)
	if request >= 0:
		_requests[request] = names


func _change(name: StringName, value: Variant) -> void:
	if _role() == Role.VIEWER:
		return
	if _changes.is_empty():
		_send_changes.call_deferred()
	_changes[name] = value


func _send_changes() -> void:
	for name: StringName in _changes:
		_own[name] = _changes[name]
	_ask({"type": "set", "parameters": _changes.duplicate()}, _changes.keys())
	_changes.clear()


## The daemon refused these: what is in force stays in force, and stands here again.
func _take_back(names: Array) -> void:
	for name: StringName in names:
		_own.erase(name)
	if parameters != null:
		parameters.take(_values)


func _learn(values: Dictionary) -> void:
	for name: String in values:
		_values[StringName(name)] = values[name]
	# In the editor the scene's own values stay what they were saved as.
	if parameters != null and not Engine.is_editor_hint():
		parameters.take(values)
	parameters_changed.emit(values)


func _follow(before: MirageParameters, after: MirageParameters) -> void:
	if before != null and before.parameter_changed.is_connected(_on_parameter_changed):
		before.parameter_changed.disconnect(_on_parameter_changed)
	if after != null and not after.parameter_changed.is_connected(_on_parameter_changed):
		after.parameter_changed.connect(_on_parameter_changed)


func _on_parameter_changed(name: StringName, value: Variant) -> void:
	_change(name, value)


func _validate_property(property: Dictionary) -> void:
	if property["name"] == "token":
		property["hint"] = PROPERTY_HINT_PASSWORD
