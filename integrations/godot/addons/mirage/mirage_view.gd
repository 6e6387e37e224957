@tool
@icon("icons/mirage_view.svg")
class_name MirageView
extends Control
## Sends what a viewport or a camera shows to a Mirage daemon, and shows what comes back.
##
## Choose a [member client] and a [member source]. Until the first result the game is shown as it is; when the daemon is
## away, the last good picture or the game, as [member when_away] says. With [member late_warp] the last result follows
## the camera between results, so that a moving camera feels immediate.

const CameraData := preload("capture/camera_data.gd")
const CameraStage := preload("view/camera_stage.gd")
const Capture := preload("capture/capture.gd")
const LateWarp := preload("view/late_warp.gd")

## A result is on the screen from this frame of the game on.
signal result_shown(result: MirageResult)
## Whether the daemon's pictures or the game are shown has changed: results came again, or have stopped coming.
signal transformed_changed(transformed: bool)

## What is shown while no results come.
enum WhenAway {
	HOLD, ## The last good picture.
	SHOW_GAME, ## The game as it is, faded over.
}

## When depth is sent.
enum Depth {
	AUTO, ## Where the renderer has it at hand: in Forward+ and Mobile.
	ALWAYS, ## In Compatibility too, where it takes a second pass over the scene.
	NEVER, ## Colour alone.
}

## What a result is older than, in seconds, when the daemon counts as away.
const AWAY_AFTER: float = 1.0
const _FRAMES_REMEMBERED: int = 8

## The connection to send with.
@export var client: MirageClient:
	set(value):
		_listen(client, value)
		client = value
		update_configuration_warnings()
## What to send: a [SubViewport], or a [Camera3D], which is then drawn at [member frame_size] here instead of in its own
## viewport.
@export var source: Node:
	set(value):
		source = value
		_refresh()
		update_configuration_warnings()
## The size of the frames of a camera. A viewport has its own.
@export var frame_size: Vector2i = Vector2i(768, 432):
	set(value):
		frame_size = value.clamp(Vector2i.ZERO, Vector2i(4096, 4096))
		if is_instance_valid(_stage):
			_stage.size = frame_size
## Whether frames are sent at all.
@export var sending: bool = true

@export_group("Planes")
## Whether each pixel's distance is sent: what is remembered then sticks to surfaces, and [member late_warp] needs it.
@export var send_depth: Depth = Depth.AUTO:
	set(value):
		send_depth = value
		_refresh()
## Send how surfaces moved (Forward+ only). Elsewhere the daemon computes the camera's motion from depth.
@export var send_motion: bool = true:
	set(value):
		send_motion = value
		_refresh()
## Send how surfaces are turned (Forward+ only).
@export var send_normals: bool = false:
	set(value):
		send_normals = value
		_refresh()
## Wait for the graphics card (Forward+, Mobile): frames leave two frames of the game sooner, and where the card is busy the
## game's frame rate falls. Compatibility always waits.
@export var capture_at_once: bool = false:
	set(value):
		capture_at_once = value
		_refresh()

@export_group("Picture")
## Whether the last result is moved along with the camera until the next one comes. Needs [member send_depth].
@export var late_warp: bool = true:
	set(value):
		late_warp = value
		_refresh()
## What is shown while no results come.
@export var when_away: WhenAway = WhenAway.HOLD
## Seconds that fading between the game and results takes.
@export_range(0.0, 10.0, 0.05, "suffix:s") var crossfade: float = 0.5
## How the picture fits this control.
@export var stretch_mode: TextureRect.StretchMode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED:
	set(value):
		stretch_mode = value
		_screen.stretch_mode = value

## The last result as a texture, for materials of your own; null before the first.
var texture: ImageTexture
## Whether the daemon's pictures are shown: false before the first and, where the game is shown then, while it is away.
var transformed: bool = false

var _capture: Capture
var _screen: TextureRect = TextureRect.new()
var _material: ShaderMaterial = LateWarp.material()
var _stage: CameraStage
var _watched: SubViewport
var _lens: Camera3D
## How the source's viewport was drawn before it was watched; -1 where nothing was changed.
var _update_mode: int = -1
## The frames whose result has not come yet: id to what late warping needs of them.
var _sent: Dictionary[int, Dictionary] = {}
var _pending: int = 0
var _last_sent: int = -1
var _shown: Dictionary = {}
var _depth_shown: ImageTexture
var _newest: MirageResult
var _result_at: float = -INF
var _amount: float = 0.0


func _init() -> void:
	process_priority = 1000  # the camera has moved by now
	mouse_filter = Control.MOUSE_FILTER_IGNORE
	_screen.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	_screen.stretch_mode = stretch_mode
	_screen.mouse_filter = Control.MOUSE_FILTER_IGNORE
	_screen.set_anchors_preset(Control.PRESET_FULL_RECT)


func _enter_tree() -> void:
	if _screen.get_parent() == null:
		add_child(_screen, false, Node.INTERNAL_MODE_FRONT)
	if Engine.is_editor_hint():
		return
	_capture = Capture.new()
	_capture.captured.connect(_on_captured)
	_capture.failed.connect(_on_capture_failed)
	add_child(_capture, false, Node.INTERNAL_MODE_BACK)
	_refresh()


func _exit_tree() -> void:
	_leave_source()
	if _capture != null:
		_capture.queue_free()
	_capture = null


func _get_configuration_warnings() -> PackedStringArray:
	var warnings: PackedStringArray = []
	if client == null:
		warnings.append("Choose a MirageClient: add one to the scene, then set it as this view's client.")
	if source == null:
		warnings.append("Choose what to send: a SubViewport or a Camera3D, as this view's source.")
	elif not (source is SubViewport or source is Camera3D):
		warnings.append("The source must be a SubViewport or a Camera3D.")
	elif source is SubViewport and source.is_ancestor_of(self):
		warnings.append("This view lies inside the viewport that it sends: it would send its own picture.")
	if late_warp and send_depth == Depth.NEVER:
		warnings.append("Late warping needs depth: send it, or turn late warping off.")
	return warnings


func _process(delta: float) -> void:
	if _capture == null:
		return
	var began: int = Time.get_ticks_usec()
	_follow_source()
	_show(delta)
	if sending and client != null and _lens != null and client.can_send(_pending):
		_capture.request(client.next_frame_id())
		_pending += 1
	if client != null:
		client.count_cost(began - _capture.spent)
		client.count_wait(_capture.waited)
		client.capture_lag = _capture.lag
	_capture.spent = 0
	_capture.waited = 0


func _on_captured(frame: Dictionary) -> void:
	_pending = maxi(_pending - 1, 0)
	if client == null:
		return
	var id: int = frame["id"]
	var planes: Dictionary = frame["planes"]
	var extras: Dictionary = {"camera": frame["camera"]}
	# Motion to a frame that the daemon never got would lead astray.
	if frame.get("motion_from", -1) == _last_sent:
		extras["motion_from"] = _last_sent
	else:
		planes.erase("motion")
	if client.send_frame(id, planes, extras):
		_last_sent = id
		_sent[id] = {"camera": frame["camera"], "depth": planes.get("depth", {})}
		if _sent.size() > _FRAMES_REMEMBERED:
			_sent.erase(_sent.keys()[0])


func _on_capture_failed(_id: int, why: String) -> void:
	_pending = maxi(_pending - 1, 0)
	if client != null:
		client.problem.emit(MirageError.new(&"capture", why))


func _on_result(result: MirageResult) -> void:
	_newest = result


## Put the newest result on the screen, and settle what is shown and how.
func _show(delta: float) -> void:
	if _newest != null:
		_take(_newest)
	var now: float = Time.get_ticks_msec() / 1000.0
	var fresh: bool = now - _result_at < AWAY_AFTER
	var wanted: bool = texture != null and (fresh or when_away == WhenAway.HOLD)
	if wanted != transformed:
		transformed = wanted
		transformed_changed.emit(transformed)
	var step: float = delta / crossfade if crossfade > 0.0 else 1.0
	_amount = move_toward(_amount, 1.0 if wanted else 0.0, step)
	var warps: bool = late_warp and fresh and _lens != null and _depth_shown != null and _capture.depth_texture != null
	var game: Texture2D = _game()
	if _amount == 0.0 or (_amount == 1.0 and not warps):
		_screen.material = null  # the shader would cost a game that draws fast a part of its frame rate
		_screen.texture = game if _amount == 0.0 else texture as Texture2D
		return
	_screen.material = _material
	_screen.texture = game
	_material.set_shader_parameter(&"game", game)
	_material.set_shader_parameter(&"amount", _amount)
	if warps:
		_material.set_shader_parameter(&"current_depth", _capture.depth_texture)
		_material.set_shader_parameter(&"packed", _capture.depth_texture_packed)
		LateWarp.aim(_material, CameraData.of(_lens), _shown["camera"])
	else:
		LateWarp.rest(_material)


func _take(result: MirageResult) -> void:
	_newest = null
	_result_at = Time.get_ticks_msec() / 1000.0
	texture = _updated(texture, result.image)
	_material.set_shader_parameter(&"result", texture)
	var seen: int = result.id - result.lag
	_shown = _sent.get(seen, {})
	for id: int in _sent.keys():
		if id <= seen:
			_sent.erase(id)
	var depth: Dictionary = _shown.get("depth", {})
	_depth_shown = LateWarp.depth_texture(depth, _depth_shown) if late_warp and not depth.is_empty() else null
	_material.set_shader_parameter(&"result_depth", _depth_shown)
	result_shown.emit(result)


static func _updated(old: ImageTexture, image: Image) -> ImageTexture:
	if old == null or old.get_size() != Vector2(image.get_size()) or old.get_format() != image.get_format():
		return ImageTexture.create_from_image(image)
	old.update(image)
	return old


func _listen(before: MirageClient, after: MirageClient) -> void:
	if before != null and before.result_received.is_connected(_on_result):
		before.result_received.disconnect(_on_result)
	if after != null and not after.result_received.is_connected(_on_result):
		after.result_received.connect(_on_result)


# ------------------------------------------------------------------------------------------------------ The source

func _game() -> Texture2D:
	if not is_instance_valid(_watched) or _watched.size.x <= 0 or _watched.size.y <= 0:
		return null
	return _watched.get_texture()


## Watch the source anew, with the planes that are wanted.
func _refresh() -> void:
	if _capture == null:
		return
	_leave_source()
	if not is_instance_valid(source) or not source.is_inside_tree():
		return
	if source is Camera3D:
		_stage = CameraStage.new(source as Camera3D, frame_size, get_viewport())
		add_child(_stage, false, Node.INTERNAL_MODE_BACK)
		_stage.follow()
	_watched = _stage if source is Camera3D else source as SubViewport
	if _watched == null:
		return
	# What is sent has to be drawn, also while nobody sees it as it is.
	if _watched.render_target_update_mode in [SubViewport.UPDATE_WHEN_VISIBLE, SubViewport.UPDATE_WHEN_PARENT_VISIBLE]:
		_update_mode = _watched.render_target_update_mode
		_watched.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	_lens = _watched.get_camera_3d()
	_capture.depth = send_depth == Depth.ALWAYS or (send_depth == Depth.AUTO and Capture.Renderer.has_compositor())
	_capture.live_depth = _capture.depth and late_warp
	_capture.motion = send_motion
	_capture.normals = send_normals
	_capture.at_once = capture_at_once
	_capture.watch(_watched, _lens)


## The source may come, go, or get another camera at any time.
func _follow_source() -> void:
	if not is_instance_valid(source) or not source.is_inside_tree():
		if _watched != null:
			_leave_source()
		return
	if not is_instance_valid(_watched) or not is_instance_valid(_lens) or _watched.get_camera_3d() != _lens:
		_refresh()
	if _stage != null:
		_stage.follow()


func _leave_source() -> void:
	if _capture != null:
		_capture.watch(null, null)
	if is_instance_valid(_watched) and _update_mode >= 0:
		_watched.render_target_update_mode = _update_mode as SubViewport.UpdateMode
	_update_mode = -1
	if is_instance_valid(_stage):
		_stage.queue_free()
	_stage = null
	_watched = null
	_lens = null
	_pending = 0
	_last_sent = -1
	_sent.clear()
