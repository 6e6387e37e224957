extends Node3D
## The demo's scene: a ring of columns on an island, made of primitives and two shaders.

const COLUMNS: int = 9

var _orbs: Array[Node3D] = []
var _time: float = 0.0
var _chance: RandomNumberGenerator = RandomNumberGenerator.new()


func _init() -> void:
	_chance.seed = 7
	_add_light()
	_add_island()
	for index: int in COLUMNS:
		_add_column(index)
	_add_gate()
	for index: int in 5:
		_add_orb(index)


func _process(delta: float) -> void:
	_time += delta
	for index: int in _orbs.size():
		var angle: float = _time * 0.7 + index * TAU / _orbs.size()
		_orbs[index].position = Vector3(cos(angle) * 2.4, 2.4 + sin(angle * 2.0 + index) * 0.8, sin(angle) * 2.4)


func _add_light() -> void:
	var sun: DirectionalLight3D = DirectionalLight3D.new()
	sun.name = "Sun"
	sun.rotation_degrees = Vector3(-38.0, 40.0, 0.0)
	sun.light_color = Color(1.0, 0.86, 0.68)
	sun.light_energy = 1.4
	sun.shadow_enabled = true
	sun.directional_shadow_max_distance = 40.0
	add_child(sun)
	var sky_material: ProceduralSkyMaterial = ProceduralSkyMaterial.new()
	sky_material.sky_top_color = Color(0.16, 0.32, 0.62)
	sky_material.sky_horizon_color = Color(0.95, 0.74, 0.58)
	sky_material.ground_horizon_color = Color(0.62, 0.52, 0.5)
	sky_material.ground_bottom_color = Color(0.1, 0.16, 0.24)
	var environment: Environment = Environment.new()
	environment.background_mode = Environment.BG_SKY
	environment.sky = Sky.new()
	environment.sky.sky_material = sky_material
	environment.ambient_light_source = Environment.AMBIENT_SOURCE_SKY
	environment.ambient_light_energy = 0.7
	environment.tonemap_mode = Environment.TONE_MAPPER_FILMIC
	var world: WorldEnvironment = WorldEnvironment.new()
	world.environment = environment
	add_child(world)


func _add_island() -> void:
	var sea: PlaneMesh = PlaneMesh.new()
	sea.size = Vector2(400.0, 400.0)
	sea.subdivide_width = 150
	sea.subdivide_depth = 150
	_add(sea, Vector3(0.0, -0.7, 0.0), _shaded(preload("water.gdshader"))).name = "Sea"
	var ground: CylinderMesh = CylinderMesh.new()
	ground.top_radius = 7.2
	ground.bottom_radius = 9.5
	ground.height = 1.2
	ground.radial_segments = 48
	_add(ground, Vector3(0.0, -0.6, 0.0), _shaded(preload("stone.gdshader"), Color(0.42, 0.5, 0.3)))
	for index: int in 14:
		var rock: SphereMesh = SphereMesh.new()
		rock.radius = _chance.randf_range(0.3, 0.9)
		rock.height = rock.radius * 1.5
		rock.radial_segments = 9
		rock.rings = 5
		var angle: float = _chance.randf() * TAU
		var far: float = _chance.randf_range(6.4, 8.6)
		_add(rock, Vector3(cos(angle) * far, -0.2, sin(angle) * far), _shaded(preload("stone.gdshader"), Color(0.5, 0.46, 0.42)))


func _add_column(index: int) -> void:
	var angle: float = index * TAU / COLUMNS + 0.2
	var place: Vector3 = Vector3(cos(angle), 0.0, sin(angle)) * 5.0
	var height: float = 4.4 if index % 3 else _chance.randf_range(1.4, 2.6)
	var stone: ShaderMaterial = _shaded(preload("stone.gdshader"), Color(0.78, 0.72, 0.62))
	var shaft: CylinderMesh = CylinderMesh.new()
	shaft.top_radius = 0.36
	shaft.bottom_radius = 0.46
	shaft.height = height
	shaft.radial_segments = 20
	_add(shaft, place + Vector3.UP * height / 2.0, stone)
	for level: float in [0.12, height + 0.12] if height > 4.0 else [0.12]:
		var slab: BoxMesh = BoxMesh.new()
		slab.size = Vector3(1.15, 0.26, 1.15)
		_add(slab, place + Vector3.UP * level, stone).rotation.y = -angle


func _add_gate() -> void:
	var ring: TorusMesh = TorusMesh.new()
	ring.inner_radius = 1.5
	ring.outer_radius = 1.95
	ring.rings = 48
	var gate: MeshInstance3D = _add(ring, Vector3(0.0, 2.3, 0.0), _shaded(preload("stone.gdshader"), Color(0.72, 0.36, 0.24)))
	gate.rotation_degrees = Vector3(90.0, 30.0, 0.0)
	var base: BoxMesh = BoxMesh.new()
	base.size = Vector3(2.6, 0.5, 1.6)
	_add(base, Vector3(0.0, 0.25, 0.0), _shaded(preload("stone.gdshader"), Color(0.6, 0.55, 0.5))).rotation_degrees.y = 30.0


func _add_orb(index: int) -> void:
	var ball: SphereMesh = SphereMesh.new()
	ball.radius = 0.26
	ball.height = 0.52
	var glow: StandardMaterial3D = StandardMaterial3D.new()
	glow.albedo_color = Color.from_hsv(0.02 + index * 0.11, 0.75, 1.0)
	glow.emission_enabled = true
	glow.emission = glow.albedo_color
	glow.emission_energy_multiplier = 1.6
	var orb: MeshInstance3D = _add(ball, Vector3.ZERO, glow)
	_orbs.append(orb)


func _add(mesh: Mesh, place: Vector3, material: Material) -> MeshInstance3D:
	var instance: MeshInstance3D = MeshInstance3D.new()
	instance.mesh = mesh
	instance.position = place
	instance.material_override = material
	add_child(instance)
	return instance


static func _shaded(shader: Shader, color: Color = Color.WHITE) -> ShaderMaterial:
	var material: ShaderMaterial = ShaderMaterial.new()
	material.shader = shader
	material.set_shader_parameter("color", color)
	return material
