@tool
extends RefCounted
## The fields of every message of protocol version 1, from either side (SPEC.md section 4).

const Checks := preload("checks.gd")
const Check := Checks.Check
const Planes := preload("planes.gd")

const VERSION: int = 1
const MAX_WINDOW: int = 64
const DEFAULT_WINDOW: int = 2
const DEFAULT_QUALITY: int = 85

## The fields of each message that a client sends, and those of each that a server sends, in the order in which they are
## checked.
static var from_client: Dictionary[String, Record] = {}
static var from_server: Dictionary[String, Record] = {}

static var _any: Check = Check.new()
static var _name: Check = Checks.Text.new(200)
static var _text: Check = Checks.Text.new()
static var _path: Check = Checks.Text.new(1000)
static var _flag: Check = Checks.Flag.new()
static var _id: Check = Checks.Integer.new()
static var _ids: Check = Checks.ListOf.new(_id)
static var _names: Check = Checks.ListOf.new(_name)
static var _size: Check = Checks.Integer.new(0, (1 << 32) - 1)
static var _values: Check = Checks.MapOf.new(_any)
static var _role: Check = Checks.Choice.new(["source", "viewer", "controller"])
static var _window: Check = Checks.Integer.new(1, MAX_WINDOW)
static var _version: Check = Checks.Integer.new(1, 1 << 16)
static var _quality: Check = Checks.Integer.new(1, 100)
static var _format: Check = Checks.Choice.new(["raw", "jpeg"])
static var _seconds: Check = Checks.Number.new(0.0, 86_400.0)
static var _positive: Check = Checks.Number.new(0.0)
static var _matrix: Check = Checks.ListOf.new(Checks.Number.new(), 16)


## One field: its name, its check, and what stands for it where it is absent.
class Field:
	extends RefCounted

	var name: String
	## Null for [code]planes[/code], which [code]planes.gd[/code] checks.
	var check: Check
	var required: bool = true
	## Null: nothing stands for it.
	var fallback: Variant

	func _init(a_name: String, a_check: Check) -> void:
		name = a_name
		check = a_check

	## Say that the field may be absent, and what is taken for it then.
	func or_else(value: Variant = null) -> Field:
		required = false
		fallback = value
		return self


## A map of fixed fields; others are ignored.
class Record:
	extends Check

	var _fields: Array

	func _init(fields: Array) -> void:
		_fields = fields

	func take(value: Variant) -> Variant:
		return build(value, {}, 0) if value is Dictionary else wrong_type("a map", value)

	## Add the fields that [param header] gives to [param message] and return it, or a [MirageError]. Planes are those
	## of a payload of [param payload_size] bytes.
	func build(header: Dictionary, message: Dictionary, payload_size: int) -> Variant:
		for field: Field in _fields:
			var value: Variant = header.get(field.name)
			if value == null:
				if field.required:
					return missing(field.name)
				if field.fallback != null:
					message[field.name] = _copied(field.fallback)
				continue
			value = Planes.located(value, payload_size) if field.check == null else field.check.take(value)
			if value is MirageError:
				return inside(field.name, value)
			message[field.name] = value
		return message

	func _copied(value: Variant) -> Variant:
		return value.duplicate() if value is Array or value is Dictionary else value


static func _static_init() -> void:
	_define_client()
	_define_server()


static func _field(name: String, check: Check) -> Field:
	return Field.new(name, check)


static func _planes() -> Field:
	return Field.new("planes", null)


static func _define_client() -> void:
	var camera: Check = Record.new([
		_field("view", _matrix), _field("projection", _matrix), _field("near", _positive), _field("far", _positive),
	])
	from_client["hello"] = Record.new([
		_field("role", _role), _field("protocol", _version).or_else(VERSION), _field("client", _name).or_else(""),
		_field("token", _path).or_else(), _field("take_over", _flag).or_else(false),
		_field("window", _window).or_else(DEFAULT_WINDOW), _field("parameters", _values).or_else({}),
		_field("result_format", _format).or_else("raw"), _field("quality", _quality).or_else(DEFAULT_QUALITY),
	])
	from_client["frame"] = Record.new([
		_field("id", _id), _planes(), _field("time", _id).or_else(0), _field("motion_from", _id).or_else(),
		_field("camera", camera).or_else(),
	])
	from_client["set"] = Record.new([_field("request", _id), _field("parameters", _values)])
	from_client["share"] = Record.new([
		_field("request", _id), _field("frame_size", _size), _field("result_size", _size),
		_field("wake", Checks.Choice.new(["pipe", "message", "none"])).or_else("message"),
		_field("check", _flag).or_else(false),
	])
	from_client["shared"] = Record.new([_field("request", _id), _field("nonce", Checks.Binary.new(16))])
	from_client["unshared"] = Record.new([_field("request", _id), _field("reason", _text).or_else("")])
	from_client["wake"] = Record.new([])
	from_client["show"] = Record.new([
		_field("request", _id), _field("action", Checks.Choice.new([
			"watch", "go", "back", "goto", "recall", "pause", "play", "save-preset", "delete-preset", "save-cue",
			"delete-cue", "learn", "stop-learning", "forget",
		])),
		_field("cue", _name).or_else(), _field("preset", _name).or_else(), _field("parameter", _name).or_else(),
		_field("name", _name).or_else(), _field("fade", _seconds).or_else(),
		_field("curve", Checks.Choice.new(["linear", "smooth", "ease-in", "ease-out"])).or_else(),
		_field("follow", _seconds).or_else(),
	])
	from_client["ping"] = Record.new([_field("time", _id)])


static func _define_server() -> void:
	var maps: Check = Checks.ListOf.new(_values)
	from_server["hello"] = Record.new([
		_field("protocol", _version), _field("server", _name), _field("stream", _name), _field("model", _values),
		_field("capabilities", _values), _field("parameters", maps), _field("token_required", _flag).or_else(false),
	])
	from_server["ready"] = Record.new([
		_field("connection", _id), _field("role", _role), _field("stream", _name), _field("window", _window),
		_field("parameters", _values), _field("result_format", _format).or_else("raw"),
		_field("quality", _quality).or_else(DEFAULT_QUALITY),
	])
	from_server["result"] = Record.new([
		_field("id", _id), _planes(), _field("time", _id).or_else(0), _field("dropped", _id).or_else(0),
		_field("dropped_ids", _ids).or_else([]), _field("received", _id).or_else(0), _field("sent", _id).or_else(0),
		_field("timings", Checks.MapOf.new(_positive)).or_else({}), _field("parameters", _values).or_else({}),
		_field("resets", _id).or_else(0), _field("memory", Checks.Number.new(0.0, 1.0)).or_else(0.0),
		_field("stages", Checks.MapOf.new(Checks.ListOf.new(_id, 2))).or_else({}), _field("lag", _id).or_else(0),
	])
	from_server["dropped"] = Record.new([_field("ids", _ids), _field("reason", Checks.Choice.new(["newer", "failed"]))])
	from_server["ack"] = Record.new([
		_field("request", _id), _field("parameters", _values), _field("prompt", _values).or_else(),
	])
	from_server["parameters"] = Record.new([_field("parameters", _values)])
	from_server["status"] = Record.new([
		_field("state", Checks.Choice.new(["waiting", "streaming", "paused", "recovering"])),
		_field("message", _text).or_else(""),
	])
	from_server["error"] = Record.new([
		_field("code", Checks.Text.new(40)), _field("message", _text),
		_field("field", Checks.Text.new(400)).or_else(), _field("request", _id).or_else(), _field("id", _id).or_else(),
	])
	from_server["memory"] = Record.new([
		_field("request", _id), _field("path", _path), _field("size", _size), _field("frames_pipe", _path).or_else(),
		_field("results_pipe", _path).or_else(),
	])
	from_server["wake"] = Record.new([])
	from_server["show"] = Record.new([
		_field("name", _name).or_else(""), _field("file", _text).or_else(""), _field("presets", _names).or_else([]),
		_field("cues", maps).or_else([]), _field("current", _name).or_else(), _field("next", _name).or_else(),
		_field("fading", _positive).or_else(0.0), _field("following", _positive).or_else(),
		_field("bindings", maps).or_else([]), _field("learning", _name).or_else(),
		_field("devices", _names).or_else([]), _field("sound", _path).or_else(""),
		_field("problems", Checks.ListOf.new(_text)).or_else([]),
	])
	from_server["pong"] = Record.new([_field("time", _id), _field("server_time", _id)])
