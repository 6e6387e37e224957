extends SubViewport
## Draws what a camera of the game sees at a size of its own, instead of in the camera's viewport.

var _original: Camera3D
var _twin: Camera3D = Camera3D.new()
var _quieted: Viewport


## Draw what [param camera] sees. [param covered] is a viewport that nobody sees meanwhile, since this picture lies over
## it: where the camera is that one's own, its scene is not drawn twice.
func _init(camera: Camera3D, frame_size: Vector2i, covered: Viewport) -> void:
	_original = camera
	size = frame_size
	render_target_update_mode = SubViewport.UPDATE_ALWAYS
	var viewport: Viewport = camera.get_viewport()
	msaa_3d = viewport.msaa_3d
	screen_space_aa = viewport.screen_space_aa
	use_taa = viewport.use_taa
	world_3d = viewport.find_world_3d()
	if viewport == covered and not viewport.disable_3d:
		_quieted = viewport
		_quieted.disable_3d = true
	_twin.compositor = camera.compositor
	_twin.current = true
	add_child(_twin)


## Do as the game's camera does now; call it once it has moved.
func follow() -> void:
	if not is_instance_valid(_original) or not _original.is_inside_tree() or not _twin.is_inside_tree():
		return
	_twin.global_transform = _original.global_transform
	for property: StringName in [
		&"projection", &"fov", &"size", &"near", &"far", &"keep_aspect", &"cull_mask", &"environment", &"attributes",
		&"h_offset", &"v_offset", &"frustum_offset",
	]:
		if _twin.get(property) != _original.get(property):
			_twin.set(property, _original.get(property))


func _exit_tree() -> void:
	if is_instance_valid(_quieted):
		_quieted.disable_3d = false
	_quieted = null
