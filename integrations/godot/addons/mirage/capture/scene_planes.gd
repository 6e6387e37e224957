extends CompositorEffect
## Depth, motion and normals of what a camera draws, in the renderers that have a compositor.
##
## Depth goes into a texture that shaders can read at once, motion adds up from frame to frame, and frames that were asked
## for are read back. Everything but the constructor and the switches belongs on the render thread.

const CameraData := preload("camera_data.gd")
const ComputePass := preload("compute_pass.gd")
const Inbox := preload("inbox.gd")
const Readback := preload("readback.gd")
const Targets := preload("scene_targets.gd")

## Which planes are read back.
var reads_depth: bool = false
## See [member reads_depth]. Only Forward+ has motion.
var reads_motion: bool = false:
	set(value):
		reads_motion = value
		needs_motion_vectors = value
## See [member reads_depth]. Only Forward+ has normals.
var reads_normals: bool = false:
	set(value):
		reads_normals = value
		needs_normal_roughness = value
## Whether depth is written for every frame, also for those that nobody asks for.
var is_live: bool = false

var _device: RenderingDevice = RenderingServer.get_rendering_device()
var _targets: Targets
var _passes: Dictionary[String, ComputePass] = {}
var _inbox: Inbox
var _due: Readback
var _camera: Dictionary = {}
var _terms: Vector4
# The last frame that was read back, what the camera was in the frame before this one, and whether every frame since
# then has added its motion.
var _anchor: int = -1
var _last_camera: Dictionary = {}
var _unbroken: bool = false
var _steps: int = 0


## Into [param inbox] goes each [code]Readback[/code], and whenever there is a new depth texture (metres, one 32-bit
## float) an array of it and of the one that it replaces, which is to be freed with [method release] once nobody reads it.
func _init(inbox: Inbox) -> void:
	effect_callback_type = CompositorEffect.EFFECT_CALLBACK_TYPE_POST_TRANSPARENT
	# Mobile resolves depth by itself, and warns about this.
	access_resolved_depth = RenderingServer.get_current_rendering_method() == "forward_plus"
	_inbox = inbox
	RenderingServer.call_on_render_thread(_open)


## Say what the next frame is seen with: a camera as [code]camera_data.gd[/code] gives it, and its depth terms. What the
## renderer itself says has another meaning from one version of Godot to the next, and trembles where frames are
## smoothed over time.
func see(camera: Dictionary, terms: Vector4) -> void:
	_camera = camera
	_terms = terms


## Read the next frame that is drawn.
func ask(id: int) -> void:
	give_up()
	_due = Readback.new(id, _inbox)


## Hand over what was asked for and not drawn, empty.
func give_up() -> void:
	if _due:
		_due.problem = "the viewport was not drawn"
		_due.close()
		_due = null


## Free a depth texture that was replaced.
func release(texture: RID) -> void:
	if texture.is_valid():
		_device.free_rid(texture)


## Free everything; nothing is drawn afterwards.
func close() -> void:
	enabled = false
	give_up()
	for name: String in _passes:
		_passes[name].close()
	_passes.clear()
	if _targets:
		_targets.close()
		_targets = null


func _open() -> void:
	_targets = Targets.new(_device)
	_passes = {
		"depth": ComputePass.new(_device, preload("depth.glsl")),
		"motion": ComputePass.new(_device, preload("motion.glsl")),
		"normal": ComputePass.new(_device, preload("normal.glsl")),
	}


func _render_callback(_type: int, data: RenderData) -> void:
	var buffers: RenderSceneBuffersRD = data.get_render_scene_buffers()
	if buffers == null or _camera.is_empty() or _passes.is_empty():
		return
	_fit(buffers.get_target_size())
	if _due or is_live or reads_motion:
		_draw_depth(buffers)
	var has_motion: bool = reads_motion and _draw_motion(buffers)
	if not reads_motion:
		_unbroken = false
	_last_camera = _camera
	if _due:
		_read(buffers, has_motion)


func _fit(size: Vector2i) -> void:
	if size == _targets.size:
		return
	var old: RID = _targets.resize(size)
	_unbroken = false
	_inbox.put([_targets.metres, old])


func _draw_depth(buffers: RenderSceneBuffersRD) -> void:
	var parameters: PackedByteArray = PackedFloat32Array([_terms.x, _terms.y, _terms.z, _terms.w]).to_byte_array()
	_passes["depth"].run([buffers.get_depth_layer(0)], [_targets.metres], parameters, _targets.size)


## Returns whether the motion that was drawn points to [member _anchor].
func _draw_motion(buffers: RenderSceneBuffersRD) -> bool:
	if not _unbroken or _last_camera.is_empty():
		_steps = 0
	var velocity: RID = buffers.get_velocity_layer(0)
	if not velocity.is_valid():
		return false
	var to_last: CameraData.Reprojection = CameraData.reprojection(_camera, _last_camera if _last_camera else _camera)
	var numbers: PackedFloat32Array = []
	for column: int in 4:
		var c: Vector4 = to_last.matrix[column]
		numbers.append_array([c.x, c.y, c.z, c.w])
	numbers.append_array([to_last.scale.x, to_last.scale.y, 1.0 if _steps > 0 else 0.0, 0.0])
	_targets.swap()
	_passes["motion"].run(
		[_targets.metres, velocity, _targets.moved_before],
		[_targets.moved, _targets.motion],
		numbers.to_byte_array(),
		_targets.size
	)
	_steps += 1
	return _unbroken


func _read(buffers: RenderSceneBuffersRD, has_motion: bool) -> void:
	if reads_depth:
		_due.add(_device, "depth", "r32f", _targets.metres, _targets.size)
	if has_motion:
		_due.add(_device, "motion", "rg16f", _targets.motion, _targets.size)
		_due.motion_from = _anchor
	if reads_normals and buffers.has_texture(&"forward_clustered", &"normal_roughness"):
		var normals: RID = buffers.get_texture(&"forward_clustered", &"normal_roughness")
		_passes["normal"].run([normals, _targets.metres], [_targets.normals], [], _targets.size)
		_due.add(_device, "normal", "rgba8", _targets.normals, _targets.size)
	_anchor = _due.id
	_steps = 0
	_unbroken = true
	_due.close()
	_due = null
