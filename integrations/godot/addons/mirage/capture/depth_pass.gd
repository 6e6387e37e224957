extends Node
## Depth by drawing the scene a second time, for renderers that have no compositor. It works in all of them.
##
## A viewport in the viewport's own world, seen by a camera of our own in the same place, is covered by a quad that shows
## depth as colours (pack_depth.gdshader). A second, flat one turns these into bytes of floats (unpack_depth.gdshader).

const CameraData := preload("camera_data.gd")
const LAYER: int = 1 << 30
const _RESERVED: int = 3 << 30

## The depth of the newest frame, packed.
var texture: Texture2D:
	get:
		return _scene.get_texture()

var _scene: SubViewport = SubViewport.new()
var _bytes: SubViewport = SubViewport.new()
var _pack: ShaderMaterial = ShaderMaterial.new()
var _unpack: ShaderMaterial = ShaderMaterial.new()
var _quad: QuadMesh = QuadMesh.new()
var _lens: RID = RenderingServer.camera_create()
var _surroundings: RID = RenderingServer.environment_create()
var _instance: RID
var _picture: RID = RenderingServer.canvas_item_create()
var _picture_size: Vector2i


func _init() -> void:
	_pack.shader = preload("pack_depth.gdshader")
	_pack.render_priority = Material.RENDER_PRIORITY_MAX
	_quad.size = Vector2(2.0, 2.0)
	_quad.material = _pack
	_unpack.shader = preload("unpack_depth.gdshader")
	for viewport: SubViewport in [_scene, _bytes]:
		viewport.render_target_update_mode = SubViewport.UPDATE_DISABLED
		viewport.gui_disable_input = true
		viewport.positional_shadow_atlas_size = 0
	_bytes.disable_3d = true
	_bytes.transparent_bg = true # for a fourth byte
	_bytes.add_child(_scene) # inside, so that it is drawn first
	add_child(_bytes)
	RenderingServer.canvas_item_set_parent(_picture, _bytes.find_world_2d().canvas)
	RenderingServer.canvas_item_set_material(_picture, _unpack.get_rid())


## Show the world of [param viewport].
func watch(viewport: SubViewport) -> void:
	var world: World3D = viewport.find_world_3d()
	_scene.world_3d = world
	_instance = RenderingServer.instance_create2(_quad.get_rid(), world.scenario)
	RenderingServer.instance_set_layer_mask(_instance, LAYER)
	RenderingServer.instance_set_ignore_culling(_instance, true)
	RenderingServer.instance_geometry_set_cast_shadows_setting(
		_instance, RenderingServer.SHADOW_CASTING_SETTING_OFF
	)
	RenderingServer.environment_set_background(_surroundings, RenderingServer.ENV_BG_COLOR)
	RenderingServer.camera_set_environment(_lens, _surroundings)
	RenderingServer.viewport_attach_camera(_scene.get_viewport_rid(), _lens)


## Draw the next frame's depth as [param camera] sees it, [param size] pixels large. With [param read] [method plane]
## can be called once it was drawn. To be called right before a frame is drawn.
func draw(viewport: SubViewport, camera: Camera3D, size: Vector2i, read: bool) -> void:
	if size != _picture_size:
		_fit(size)
	_scene.mesh_lod_threshold = viewport.mesh_lod_threshold
	_copy_lens(camera)
	_scene.render_target_update_mode = SubViewport.UPDATE_ONCE
	if read:
		_bytes.render_target_update_mode = SubViewport.UPDATE_ONCE


## The depth that was drawn last, as a plane.
func plane() -> Dictionary:
	var image: Image = _bytes.get_texture().get_image()
	if image.get_format() != Image.FORMAT_RGBA8:
		return {}
	return {
		"format": "r32f", "width": image.get_width(), "height": image.get_height(), "data": image.get_data()
	}


func _fit(size: Vector2i) -> void:
	_picture_size = size
	_scene.size = size
	_bytes.size = size
	# Not by a node: nodes draw themselves too late for the frame that is about to be drawn.
	RenderingServer.canvas_item_clear(_picture)
	RenderingServer.canvas_item_add_texture_rect(_picture, Rect2(Vector2.ZERO, size), texture.get_rid())


func _copy_lens(camera: Camera3D) -> void:
	var projection: Projection = camera.get_camera_projection()
	RenderingServer.camera_set_transform(_lens, camera.get_camera_transform())
	RenderingServer.camera_set_cull_mask(_lens, (camera.cull_mask & ~_RESERVED) | LAYER)
	RenderingServer.camera_set_use_vertical_aspect(_lens, camera.keep_aspect == Camera3D.KEEP_WIDTH)
	match camera.projection:
		Camera3D.PROJECTION_PERSPECTIVE:
			RenderingServer.camera_set_perspective(_lens, camera.fov, camera.near, camera.far)
		Camera3D.PROJECTION_ORTHOGONAL:
			RenderingServer.camera_set_orthogonal(_lens, camera.size, camera.near, camera.far)
		Camera3D.PROJECTION_FRUSTUM:
			RenderingServer.camera_set_frustum(
				_lens, camera.size, camera.frustum_offset, camera.near, camera.far
			)
	_pack.set_shader_parameter(&"terms", CameraData.depth_terms(projection))
	_pack.set_shader_parameter(&"far", camera.far)
	_unpack.set_shader_parameter(&"far", camera.far)


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE:
		for part: RID in [_instance, _lens, _surroundings, _picture]:
			if part.is_valid():
				RenderingServer.free_rid(part)
