extends RefCounted
## What several tests set up: a small scene in a viewport, a client and a view.

var viewport: SubViewport
var camera: Camera3D
var box: MeshInstance3D
var client: MirageClient
var view: MirageView
var states: Array[MirageClient.State] = []
var problems: Array[MirageError] = []
var results: Array[MirageResult] = []


## Add the scene to [param parent]; nothing is connected yet.
func _init(parent: Node, url: String, transport: String = "auto", size: Vector2i = Vector2i(256, 144)) -> void:
	viewport = SubViewport.new()
	viewport.size = size
	viewport.own_world_3d = true
	viewport.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	parent.add_child(viewport)
	camera = furnish(viewport)
	box = viewport.get_node("Box")
	client = MirageClient.new()
	client.url = url
	client.transport = ["auto", "websocket", "shared-memory"].find(transport) as MirageClient.Transport
	client.connect_at_start = false
	client.state_changed.connect(func(state: MirageClient.State, _message: String) -> void: states.append(state))
	client.problem.connect(problems.append)
	client.result_received.connect(results.append)
	parent.add_child(client)
	view = MirageView.new()
	view.client = client
	view.source = viewport
	view.set_anchors_preset(Control.PRESET_FULL_RECT)
	parent.add_child(view)


## Turn the box a little.
func turn(angle: float = 0.05) -> void:
	box.rotate_y(angle)


## Take everything out again.
func free_all() -> void:
	if is_instance_valid(view):
		view.free()
	if is_instance_valid(client):
		client.free()
	if is_instance_valid(viewport):
		viewport.free()


## Put a box before a wall into [param place], and return the camera that sees them.
static func furnish(place: Node) -> Camera3D:
	var eye: Camera3D = Camera3D.new()
	eye.position = Vector3(0.0, 0.6, 3.0)
	place.add_child(eye)
	var light: DirectionalLight3D = DirectionalLight3D.new()
	light.rotation_degrees = Vector3(-50.0, -30.0, 0.0)
	place.add_child(light)
	var cube: MeshInstance3D = MeshInstance3D.new()
	cube.name = "Box"
	cube.mesh = BoxMesh.new()
	var paint: StandardMaterial3D = StandardMaterial3D.new()
	paint.albedo_color = Color(0.9, 0.4, 0.1)
	cube.material_override = paint
	place.add_child(cube)
	var wall: MeshInstance3D = MeshInstance3D.new()
	var quad: QuadMesh = QuadMesh.new()
	quad.size = Vector2(9.0, 4.0)
	wall.mesh = quad
	wall.position.z = -3.0
	place.add_child(wall)
	return eye
