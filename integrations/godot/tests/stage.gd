extends "harness.gd"
## Base of the tests that capture: a viewport with a world of its own, a camera and a few boxes.

const Capture := preload("../addons/mirage/capture/capture.gd")
const CameraData := preload("../addons/mirage/capture/camera_data.gd")

const SIZE: Vector2i = Vector2i(256, 144)
const CENTRE: Vector2i = Vector2i(128, 72)
const CORNER: Vector2i = Vector2i(250, 5)
const LEFT: Vector2i = Vector2i(40, 72)
const SKY: Color = Color(0.2, 0.4, 0.8)

## Stripes that go round a thing in the world's own directions, without an edge.
const STRIPES: String = """
shader_type spatial;
render_mode unshaded;
uniform vec3 tint : source_color = vec3(1.0);
varying vec3 place;
void vertex() {
	place = (MODEL_MATRIX * vec4(VERTEX, 1.0)).xyz;
}
void fragment() {
	vec3 wave = 0.5 + 0.5 * sin(place * vec3(5.0, 4.0, 3.0));
	ALBEDO = tint * (0.15 + 0.85 * mix(wave, wave.yzx, 0.3));
}
"""

var stage: SubViewport
var camera: Camera3D
var surroundings: WorldEnvironment
var capture: Capture
var next_id: int = 1
var failures: Dictionary[int, String] = {}
var captured: Dictionary[int, Dictionary] = {}


## Whether the renderer that runs is this one.
func runs(renderer: String) -> bool:
	return RenderingServer.get_current_rendering_method() == renderer


## A camera at the origin that looks along -z, 60 degrees high, and a capture of what it sees.
func make_stage(size: Vector2i = SIZE) -> void:
	stage = SubViewport.new()
	stage.own_world_3d = true
	stage.size = size
	stage.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	camera = Camera3D.new()
	camera.near = 0.1
	camera.far = 100.0
	camera.fov = 60.0
	stage.add_child(camera)
	surroundings = WorldEnvironment.new()
	surroundings.environment = Environment.new()
	surroundings.environment.background_mode = Environment.BG_COLOR
	surroundings.environment.background_color = SKY
	stage.add_child(surroundings)
	root.add_child(stage)
	make_capture()


func make_capture() -> void:
	failures.clear()
	captured.clear()
	capture = Capture.new()
	capture.failed.connect(func(id: int, why: String) -> void: failures[id] = why)
	capture.captured.connect(func(frame: Dictionary) -> void: captured[frame["id"]] = frame)
	root.add_child(capture)
	capture.watch(stage, camera)


func clear_stage() -> void:
	for node: Variant in [capture, stage]:
		if is_instance_valid(node):
			node.queue_free()
	await process_frame
	await process_frame


func add_box(at: Vector3, size: Vector3 = Vector3.ONE, color: Color = Color.ORANGE) -> MeshInstance3D:
	var paint: StandardMaterial3D = StandardMaterial3D.new()
	paint.shading_mode = BaseMaterial3D.SHADING_MODE_UNSHADED
	paint.albedo_color = color
	return _add(at, size, paint)


func add_striped(at: Vector3, size: Vector3, tint: Color = Color.WHITE) -> MeshInstance3D:
	var paint: ShaderMaterial = ShaderMaterial.new()
	paint.shader = Shader.new()
	paint.shader.code = STRIPES
	paint.set_shader_parameter(&"tint", tint)
	return _add(at, size, paint)


## Want every plane; [code]--apart[/code] takes depth by the second pass over the scene in every renderer.
func want() -> void:
	capture.depth = true
	capture.motion = true
	capture.normals = true
	capture.depth_apart = arguments.has("apart")


## Pixels that one metre takes at the distance of one metre.
func focal() -> float:
	return SIZE.y * 0.5 / tan(deg_to_rad(30.0))


## Ask for the next frame without waiting for it; returns its id.
func ask() -> int:
	next_id += 1
	capture.request(next_id)
	return next_id


## Capture the next frame; an empty dictionary if it failed.
func take() -> Dictionary:
	var id: int = ask()
	await wait_until(func() -> bool: return captured.has(id) or failures.has(id), 20.0)
	return captured.get(id, {})


## The value of a plane of 32-bit floats at a pixel.
func metres_at(frame: Dictionary, pixel: Vector2i) -> float:
	var plane: Dictionary = frame["planes"]["depth"]
	var data: PackedByteArray = plane["data"]
	return data.decode_float((pixel.y * int(plane["width"]) + pixel.x) * 4)


## The motion at a pixel, in pixels; not a number where it is unknown.
func motion_at(frame: Dictionary, pixel: Vector2i) -> Vector2:
	var plane: Dictionary = frame["planes"]["motion"]
	var data: PackedByteArray = plane["data"]
	var at: int = (pixel.y * int(plane["width"]) + pixel.x) * 4
	return Vector2(data.decode_half(at), data.decode_half(at + 2))


## The four bytes of a pixel.
func bytes_at(frame: Dictionary, plane_name: String, pixel: Vector2i) -> PackedByteArray:
	var plane: Dictionary = frame["planes"][plane_name]
	var data: PackedByteArray = plane["data"]
	var at: int = (pixel.y * int(plane["width"]) + pixel.x) * 4
	return data.slice(at, at + 4)


## The picture of a frame.
func picture(frame: Dictionary) -> Image:
	var plane: Dictionary = frame["planes"]["color"]
	return Image.create_from_data(plane["width"], plane["height"], false, Image.FORMAT_RGBA8, plane["data"])


func near(actual: float, expected: float, tolerance: float, what: String) -> void:
	check(absf(actual - expected) <= tolerance, "%s is %f, not %f (within %f)" % [what, actual, expected, tolerance])


func _add(at: Vector3, size: Vector3, paint: Material) -> MeshInstance3D:
	var mesh: BoxMesh = BoxMesh.new()
	mesh.size = size
	mesh.material = paint
	var instance: MeshInstance3D = MeshInstance3D.new()
	instance.mesh = mesh
	instance.position = at
	stage.add_child(instance)
	return instance
