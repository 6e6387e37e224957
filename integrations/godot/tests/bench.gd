extends "harness.gd"
## Measures what the addon costs a game: each way of working in turns with the bare scene, in one process. Prints a line of
## JSON for each turn.

const Scene := preload("scene.gd")
const World := preload("../demo/world.gd")

var _viewport: SubViewport
var _camera: Camera3D
var _screen: TextureRect
var _time: float = 0.0


func prepare() -> void:
	DisplayServer.window_set_vsync_mode(DisplayServer.VSYNC_DISABLED)
	_viewport = SubViewport.new()
	_viewport.size = Vector2i(512, 288)
	_viewport.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	_viewport.own_world_3d = true
	root.add_child(_viewport)
	if arguments["scene"] != "box":
		_camera = Camera3D.new()
		_viewport.add_child(_camera)
		var world: Node3D = World.new()
		_viewport.add_child(world)
		if arguments["scene"] == "plain":
			(world.get_node("Sun") as DirectionalLight3D).shadow_enabled = false
			(world.get_node("Sea") as Node3D).visible = false
	else:
		_camera = Scene.furnish(_viewport)
	_screen = TextureRect.new()
	_screen.texture = _viewport.get_texture()
	root.add_child(_screen)
	await _turn("warm-up", "", "", false, 3.0)


func test_bench() -> void:
	var seconds: float = float(arguments.get("seconds", "4"))
	var echo: String = arguments["echo"]
	for _round: int in int(arguments.get("rounds", "3")):
		await _turn("bare", "", "", false, seconds)
		await _turn("shared memory", echo, "shared-memory", false, seconds)
		await _turn("WebSocket", echo, "websocket", false, seconds)
		await _turn("shared memory, depth and late warping", echo, "shared-memory", true, seconds)
		await _turn("daemon that takes 200 ms", arguments["slow"], "auto", false, seconds)
		await _turn("no daemon", arguments["absent"], "auto", false, seconds)


func finish() -> void:
	_screen.free()
	_viewport.free()


func _turn(name: String, url: String, transport: String, planes: bool, seconds: float) -> void:
	var client: MirageClient
	var view: MirageView
	if url != "":
		client = MirageClient.new()
		client.url = url
		if transport != "auto":
			client.transport = MirageClient.Transport.WEBSOCKET if transport == "websocket" \
					else MirageClient.Transport.SHARED_MEMORY
		root.add_child(client)
		view = MirageView.new()
		view.client = client
		view.send_depth = MirageView.Depth.ALWAYS if planes else MirageView.Depth.NEVER
		view.late_warp = planes
		view.send_motion = false
		view.source = _viewport
		view.set_anchors_preset(Control.PRESET_FULL_RECT)
		root.add_child(view)
		_screen.visible = false
		if arguments["absent"] != url:
			await wait_until(func() -> bool: return view.transformed)
		await _draw_for(0.5)
	var frames: int = Engine.get_frames_drawn()
	var results: Array[int] = [0]
	if client != null:
		client.result_received.connect(func(_result: MirageResult) -> void: results[0] += 1)
	var elapsed: float = await _draw_for(seconds)
	frames = Engine.get_frames_drawn() - frames
	var line: Dictionary = {"name": name, "rate": frames / elapsed, "own": float(results[0]) / frames}
	if client != null:
		var figures: Dictionary = client.get_statistics()
		for figure: String in ["cost_p50", "cost_p95", "readback_p50", "readback_p95"]:
			line[figure] = figures[figure]
		if results[0] > 0:
			line["latency"] = figures["p50"]
		view.free()
		client.free()
		_screen.visible = true
	if name != "warm-up":
		print("BENCH %s" % JSON.stringify(line))


func _draw_for(seconds: float) -> float:
	var began: int = Time.get_ticks_usec()
	while Time.get_ticks_usec() - began < seconds * 1e6:
		_time += 1.0 / 60.0
		var far: float = 2.6 if arguments["scene"] == "box" else 11.0
		_camera.position = Vector3(sin(_time * 0.22) * far, far * 0.25, cos(_time * 0.22) * far)
		_camera.look_at(Vector3(0.0, 0.0, 0.0))
		await process_frame
	return (Time.get_ticks_usec() - began) / 1e6
