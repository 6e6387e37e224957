extends "stage.gd"
## The late warp against what the camera really sees, with results that come late and are the frames themselves.

const LateWarp := preload("../addons/mirage/view/late_warp.gd")

## Frames between two results (15 a second at 60), and how old one is when it is there.
const EVERY: int = 4
const LATENCY: int = 4
## Where no result reaches, this shows; it is in no scene.
const OUTSIDE: Color = Color(1.0, 0.0, 1.0)

var screen: SubViewport
var shown: TextureRect
var material: ShaderMaterial
var result_depth: ImageTexture


func test_turn() -> void:
	await _play("turn", func(frame: int) -> void: camera.rotation.y = deg_to_rad(1.0) * frame, 3.0)


func test_sideways_past_a_near_pillar() -> void:
	await _play("sideways", func(frame: int) -> void: camera.position.x = -0.4 + frame * 0.02, 9.0)


func test_turn_and_step_with_a_tilted_camera() -> void:
	var move: Callable = func(frame: int) -> void:
		camera.rotation = Vector3(-0.1 + 0.004 * frame, 0.01 * frame, 0.02 * frame)
		camera.position.z = -0.015 * frame
	await _play("tilted", move, 3.0)


func test_orthogonal_slide() -> void:
	var move: Callable = func(frame: int) -> void:
		camera.projection = Camera3D.PROJECTION_ORTHOGONAL
		camera.size = 5.0
		camera.position.x = frame * 0.02
		camera.rotation.y = 0.3
	await _play("orthogonal", move, 3.0)


func test_the_amount_fades_and_rest_shows_the_result_as_it_is() -> void:
	make_stage()
	_make_screen()
	var red: Image = Image.create_empty(SIZE.x, SIZE.y, false, Image.FORMAT_RGBA8)
	red.fill(Color8(200, 40, 0))
	_show(red)
	for amount: float in [0.0, 0.5, 1.0]:
		material.set_shader_parameter(&"amount", amount)
		await RenderingServer.frame_post_draw
		var seen: Color = _seen().get_pixel(100, 50)
		var expected: Color = OUTSIDE.lerp(Color8(200, 40, 0), amount)
		near(seen.r, expected.r, 0.01, "red at %s" % amount)
		near(seen.g, expected.g, 0.01, "green at %s" % amount)
		near(seen.b, expected.b, 0.01, "blue at %s" % amount)
	await _clear()


func _play(name: String, move: Callable, better: float) -> void:
	make_stage()
	_make_scene()
	_make_screen()
	capture.depth = true
	capture.live_depth = true
	capture.depth_apart = arguments.has("apart")
	var frames: Array[Dictionary] = []
	var stale: float = 0.0
	var warped: float = 0.0
	var covered: float = 0.0
	var compared: int = 0
	for frame: int in 24:
		move.call(frame)
		if frame % EVERY == 0:
			ask()
		var age: int = frame % EVERY + LATENCY
		var use: Dictionary = _due(frames, frame)
		if use:
			_show(picture(use))
			result_depth = LateWarp.depth_texture(use["planes"]["depth"], result_depth)
			material.set_shader_parameter(&"result_depth", result_depth)
			material.set_shader_parameter(&"current_depth", capture.depth_texture)
			material.set_shader_parameter(&"packed", capture.depth_texture_packed)
			LateWarp.aim(material, CameraData.of(camera), use["camera"])
		await RenderingServer.frame_post_draw
		await process_frame
		if captured.has(next_id) and frame % EVERY == 0:
			var got: Dictionary = captured[next_id].duplicate()
			got["frame"] = frame
			frames.append(got)
		if use and age == EVERY + LATENCY - 1:
			var errors: Vector3 = _differences(name, use)
			stale += errors.x
			warped += errors.y
			covered += errors.z
			compared += 1
	check(compared >= 4, "%d frames were compared" % compared)
	print("%s: stale %.2f, warped %.2f of 255, %.0f %% covered" % [
		name, stale / compared, warped / compared, 100.0 * covered / compared
	])
	check(warped * better <= stale, "%s: stale %f, warped %f" % [name, stale, warped])
	check(covered >= 0.7 * compared, "%s: only %f covered" % [name, covered / compared])
	await _clear()


## The newest frame that has been away for LATENCY frames.
func _due(frames: Array[Dictionary], now: int) -> Dictionary:
	var newest: Dictionary = {}
	for frame: Dictionary in frames:
		if int(frame["frame"]) + LATENCY <= now:
			newest = frame
	return newest


## Mean differences from what the camera sees now, where the result reaches: of the stale picture and of the warped one,
## of 255; and the share of the picture where it reaches.
func _differences(name: String, use: Dictionary) -> Vector3:
	var truth: Image = stage.get_texture().get_image()
	var warped: Image = _seen()
	var old: Image = picture(use)
	if arguments.has("save"):
		var base: String = "%s/%s-%s-" % [arguments["save"], name, RenderingServer.get_current_rendering_method()]
		truth.save_png(base + "truth.png")
		warped.save_png(base + "warped.png")
		old.save_png(base + "stale.png")
	var sums: Vector2 = Vector2.ZERO
	var count: int = 0
	for y: int in SIZE.y:
		for x: int in SIZE.x:
			var seen: Color = warped.get_pixel(x, y)
			if _difference(seen, OUTSIDE) < 0.1:
				continue
			var real: Color = truth.get_pixel(x, y)
			sums += Vector2(_difference(old.get_pixel(x, y), real), _difference(seen, real))
			count += 1
	sums *= 255.0 / maxi(count, 1)
	return Vector3(sums.x, sums.y, float(count) / (SIZE.x * SIZE.y))


func _difference(a: Color, b: Color) -> float:
	return (absf(a.r - b.r) + absf(a.g - b.g) + absf(a.b - b.b)) / 3.0


func _make_scene() -> void:
	add_striped(Vector3(0, -1.5, -8), Vector3(60, 0.2, 60))
	add_striped(Vector3(0, 2, -14), Vector3(40, 9, 0.5), Color(0.7, 0.9, 1.0))
	add_striped(Vector3(-2.5, 0, -7), Vector3(1.5, 2.5, 1.5), Color(1.0, 0.6, 0.4))
	add_striped(Vector3(2.5, -0.5, -5), Vector3(1, 1.5, 1), Color(0.6, 1.0, 0.5))
	add_striped(Vector3(0, 0, -1.8), Vector3(0.25, 4, 0.25), Color(1.0, 0.9, 0.2))


func _make_screen() -> void:
	screen = SubViewport.new()
	screen.size = SIZE
	screen.disable_3d = true
	screen.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	material = LateWarp.material()
	shown = TextureRect.new()
	shown.size = SIZE
	shown.material = material
	screen.add_child(shown)
	root.add_child(screen)
	var outside: Image = Image.create_empty(8, 8, false, Image.FORMAT_RGBA8)
	outside.fill(OUTSIDE)
	material.set_shader_parameter(&"game", ImageTexture.create_from_image(outside))
	material.set_shader_parameter(&"edge", 0.0)


func _show(image: Image) -> void:
	shown.texture = ImageTexture.create_from_image(image)
	material.set_shader_parameter(&"result", shown.texture)


func _seen() -> Image:
	var image: Image = screen.get_texture().get_image()
	image.convert(Image.FORMAT_RGBA8)
	return image


func _clear() -> void:
	screen.queue_free()
	result_depth = null
	await clear_stage()
