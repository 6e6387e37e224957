extends Node3D
## A walk around a small ruin by the sea, transformed live. Keys choose what the picture becomes.

const World := preload("world.gd")

## What each of the number keys asks for, from 1 on.
const PROMPTS: Array[String] = [
	"oil painting", "watercolour", "neon city at night", "lava", "ice", "moss", "ink", "stained glass",
]
const HELP: String = "1-8 look   Space compare with the game   L late warping   H hide this   Esc leave"

@export var client: MirageClient
@export var view: MirageView
@export var camera: Camera3D
@export var readout: Label

var _time: float = 0.0
var _message: String = "connecting"
var _world: World


func _ready() -> void:
	_world = World.new()
	add_child(_world)
	client.state_changed.connect(func(_state: MirageClient.State, message: String) -> void: _message = message)
	client.problem.connect(func(error: MirageError) -> void: _message = error.message)
	_move_camera()


func _process(delta: float) -> void:
	_time += delta
	_move_camera()
	if readout.visible:
		readout.text = "%s\n%s\n%s" % [_figures(), _message, HELP]


func _unhandled_key_input(event: InputEvent) -> void:
	var key: InputEventKey = event
	if not key.pressed or key.echo:
		return
	if key.keycode >= KEY_1 and key.keycode < KEY_1 + PROMPTS.size():
		client.parameters.prompt = PROMPTS[key.keycode - KEY_1]
	match key.keycode:
		KEY_SPACE:
			client.parameters.strength = 0.0 if client.parameters.strength > 0.0 else 1.0
		KEY_L:
			view.late_warp = not view.late_warp
		KEY_H:
			readout.visible = not readout.visible
		KEY_ESCAPE:
			get_tree().quit()


func _move_camera() -> void:
	var angle: float = _time * 0.22
	camera.position = Vector3(cos(angle) * 11.0, 3.0 + sin(_time * 0.31) * 1.1, sin(angle) * 11.0)
	camera.look_at(Vector3(0.0, 2.2, 0.0))


func _figures() -> String:
	var figures: Dictionary = client.get_statistics()
	var prompt: String = client.parameters.prompt
	if figures["results"] == 0:
		return "%s   %d fps" % [prompt, Engine.get_frames_per_second()]
	return "%s   %d fps   %.0f results/s   %.0f ms (p95 %.0f)   addon %.1f ms   %s" % [
		prompt, Engine.get_frames_per_second(), figures["rate"], figures["p50"], figures["p95"], figures["cost_p95"],
		figures["transport"],
	]
