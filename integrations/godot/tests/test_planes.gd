extends "stage.gd"
## The planes of scenes whose geometry is known, in the renderer that runs. Needs a window.


func test_the_renderer_says_what_it_can_give() -> void:
	make_stage()
	var only: String = "" if runs("forward_plus") else "only the renderer Forward+ has it"
	equal(
		capture.available,
		{"color": "", "depth": "", "motion": only, "normal": only} as Dictionary[String, String],
		"available"
	)
	want()
	var frame: Dictionary = await take()
	check(frame["planes"].has("depth"), "there is depth")
	equal(frame["planes"].has("normal"), runs("forward_plus"), "there are normals")
	await clear_stage()


func test_color_is_exact_and_opaque() -> void:
	make_stage()
	add_box(Vector3(0, 0, -5), Vector3.ONE, Color8(200, 40, 10))
	for clear: bool in [false, true]:
		stage.transparent_bg = clear
		var frame: Dictionary = await take()
		equal(frame["planes"].keys(), ["color"], "the planes that were asked for")
		var drawn: Image = stage.get_texture().get_image()
		drawn.convert(Image.FORMAT_RGB8)
		drawn.convert(Image.FORMAT_RGBA8)
		check(picture(frame).get_data() == drawn.get_data(), "the picture is what the viewport shows, without alpha")
		for channel: int in 3: # renderers round dark colours differently
			near(bytes_at(frame, "color", CENTRE)[channel], [200, 40, 10][channel], 6.0, "channel %d" % channel)
		equal(bytes_at(frame, "color", CORNER)[3], 255, "alpha where there is nothing")
	await clear_stage()


func test_color_of_a_viewport_in_linear_light() -> void:
	if runs("gl_compatibility"):
		return
	make_stage()
	stage.use_hdr_2d = true
	add_box(Vector3(0, 0, -5), Vector3.ONE, Color8(200, 40, 10))
	var got: PackedByteArray = bytes_at(await take(), "color", CENTRE)
	for channel: int in 3:
		near(got[channel], [200, 40, 10][channel], 1.0, "channel %d" % channel)
	equal(got[3], 255, "alpha")
	await clear_stage()


func test_depth_in_perspective() -> void:
	for far: float in [100.0, 4000.0]:
		make_stage()
		camera.far = far
		want()
		add_box(Vector3(0, 0, -5))
		add_box(Vector3(-40, 0, -60.5), Vector3(80, 80, 1))
		add_box(Vector3(-0.2, 0, -0.55), Vector3(0.1, 0.1, 0.1))
		var frame: Dictionary = await take()
		near(metres_at(frame, CENTRE), 4.5, 0.0005, "the box, far %s" % far)
		near(metres_at(frame, LEFT + Vector2i(0, 40)), 60.0, 0.06, "the wall, far %s" % far)
		near(metres_at(frame, Vector2i(78, 72)), 0.5, 0.0001, "right before the camera, far %s" % far)
		equal(metres_at(frame, CORNER), INF, "the sky")
		await clear_stage()


func test_depth_of_the_other_projections() -> void:
	for projection: Camera3D.ProjectionType in [Camera3D.PROJECTION_ORTHOGONAL, Camera3D.PROJECTION_FRUSTUM]:
		make_stage()
		camera.projection = projection
		camera.size = 4.0 if projection == Camera3D.PROJECTION_ORTHOGONAL else 0.1
		camera.frustum_offset = Vector2(0.01, 0.0)
		want()
		add_box(Vector3(0.5, 0, -5), Vector3(2, 1, 1))
		add_box(Vector3(-50, 0, -60.5), Vector3(100, 40, 1))
		var frame: Dictionary = await take()
		near(metres_at(frame, CENTRE), 4.5, 0.002, "the box, projection %d" % projection)
		near(metres_at(frame, LEFT), 60.0, 0.06, "the wall, projection %d" % projection)
		equal(metres_at(frame, CORNER), INF, "the sky")
		await clear_stage()


func test_depth_of_a_floor_at_every_pixel() -> void:
	make_stage()
	want()
	add_box(Vector3(0, -1.5, 0), Vector3(400, 1, 400))
	var frame: Dictionary = await take()
	var slope: float = tan(deg_to_rad(30.0))
	var worst: float = 0.0
	for y: int in range(75, SIZE.y):
		var expected: float = 1.0 / (slope * ((y + 0.5) / SIZE.y * 2.0 - 1.0))
		for x: int in range(0, SIZE.x, 5):
			worst = maxf(worst, absf(metres_at(frame, Vector2i(x, y)) / expected - 1.0))
	print("floor: worst error %.6f of the depth" % worst)
	check(worst < 0.001, "the worst error is %f" % worst)
	await clear_stage()


func test_depth_at_half_the_size() -> void:
	make_stage()
	want()
	capture.depth_apart = true
	capture.depth_scale = 2
	add_box(Vector3(0, 0, -5))
	var frame: Dictionary = await take()
	var plane: Dictionary = frame["planes"]["depth"]
	equal([plane["width"], plane["height"]], [SIZE.x / 2, SIZE.y / 2], "the size")
	near(metres_at(frame, CENTRE / 2), 4.5, 0.0005, "the box")
	stage.size = Vector2i(255, 144)
	equal((await take())["planes"]["depth"]["width"], 255, "the width of a frame that cannot be halved")
	await clear_stage()


func test_every_byte_of_packed_depth_survives() -> void:
	make_stage()
	var codes: PackedByteArray = []
	for code: int in 1 << 16:
		var spread: int = code * 32 + code % 31
		codes.append_array([128 | spread >> 14, 128 | spread >> 7 & 127, 128 | spread & 127, 255])
	var pixels: Image = Image.create_from_data(256, 256, false, Image.FORMAT_RGBA8, codes)
	var floats: PackedFloat32Array = (await _unpacked(pixels)).to_float32_array()
	var worst: float = 0.0
	for code: int in range(1, 1 << 16):
		var share: float = (code * 32 + code % 31) / 2097150.0
		worst = maxf(worst, absf(floats[code] / (share * share * 100.0) - 1.0))
	check(worst < 1e-6, "the worst error is %s" % worst)
	var bytes: PackedByteArray = floats.to_byte_array()
	for channel: int in 3:
		var values: Dictionary[int, bool] = {}
		for at: int in range(channel, bytes.size(), 4):
			values[bytes[at]] = true
		equal(values.size(), 256, "values of byte %d" % channel)
	await clear_stage()


func test_a_known_point_is_drawn_where_the_camera_says() -> void:
	make_stage()
	camera.keep_aspect = Camera3D.KEEP_WIDTH
	camera.look_at_from_position(Vector3(3, 2, 4), Vector3(0.5, 0.3, -2))
	camera.h_offset = 0.3
	var point: Vector3 = Vector3(1.0, 0.8, -1.5)
	add_box(point, Vector3.ONE * 0.12, Color.WHITE)
	var frame: Dictionary = await take()
	var image: Image = picture(frame)
	var sum: Vector2 = Vector2.ZERO
	var count: int = 0
	for y: int in SIZE.y:
		for x: int in SIZE.x:
			if image.get_pixel(x, y).r > 0.9:
				sum += Vector2(x + 0.5, y + 0.5)
				count += 1
	check(count > 3, "the point is seen")
	var expected: Vector2 = _projected(frame["camera"], point)
	check(sum.distance_to(expected * count) < 0.6 * count, "drawn at %s, said to be at %s" % [sum / count, expected])
	await clear_stage()


func test_normals_face_as_the_specification_says() -> void:
	if not runs("forward_plus"):
		return
	make_stage()
	want()
	add_box(Vector3(0, 0, -5))
	add_box(Vector3(0, -1.5, -20), Vector3(60, 1, 60))
	var turned: MeshInstance3D = add_box(Vector3(-2, 0, -5))
	turned.rotation.y = PI / 4.0
	var frame: Dictionary = await take()
	_normal(frame, CENTRE, [0x80, 0x80, 0xff], "one that faces the camera")
	_normal(frame, Vector2i(220, 130), [0x80, 0xff, 0x80], "the floor")
	var right: int = roundi((sqrt(0.5) * 0.5 + 0.5) * 255.0)
	_normal(frame, Vector2i(128 - 45, 72), [right, 0x80, right], "one turned to the right")
	_normal(frame, CORNER, [0x80, 0x80, 0x80], "the sky")
	await clear_stage()


func test_odd_settings_change_nothing() -> void:
	var settings: Dictionary[String, Variant] = {
		"msaa_3d": Viewport.MSAA_4X, "use_taa": true, "scaling_3d_scale": 0.5, "use_hdr_2d": true,
		"screen_space_aa": Viewport.SCREEN_SPACE_AA_FXAA, "transparent_bg": true,
	}
	for setting: String in settings:
		make_stage()
		stage.set(setting, settings[setting])
		want()
		var box: MeshInstance3D = add_box(Vector3(0, 0, -5))
		add_box(Vector3(-20, 0, -40), Vector3(40, 40, 1))
		await take()
		for step: int in 3:
			await RenderingServer.frame_post_draw
			box.position.x += 0.05
		var frame: Dictionary = await take()
		near(metres_at(frame, CENTRE), 4.5, 0.005, setting)
		near(metres_at(frame, LEFT), 39.5, 0.1, setting)
		equal(metres_at(frame, CORNER), INF, setting)
		if runs("forward_plus"):
			near(motion_at(frame, CENTRE).x, -0.15 / 4.5 * focal(), 0.1, setting + ", motion")
		await clear_stage()


func _normal(frame: Dictionary, pixel: Vector2i, expected: Array[int], what: String) -> void:
	var got: PackedByteArray = bytes_at(frame, "normal", pixel)
	for channel: int in 3:
		near(got[channel], expected[channel], 2.0, "%s, channel %d" % [what, channel])


## Where a point is drawn, in pixels, by the matrices alone.
func _projected(seen: Dictionary, point: Vector3) -> Vector2:
	var at: PackedFloat64Array = [point.x, point.y, point.z, 1.0]
	for name: String in ["view", "projection"]:
		var matrix: PackedFloat64Array = seen[name]
		var next: PackedFloat64Array = []
		for row: int in 4:
			var sum: float = 0.0
			for column: int in 4:
				sum += matrix[row * 4 + column] * at[column]
			next.append(sum)
		at = next
	return Vector2(at[0] / at[3] * 0.5 + 0.5, 0.5 - at[1] / at[3] * 0.5) * Vector2(SIZE)


func _unpacked(pixels: Image) -> PackedByteArray:
	var flat: SubViewport = SubViewport.new()
	flat.size = pixels.get_size()
	flat.disable_3d = true
	flat.transparent_bg = true
	flat.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	var rectangle: TextureRect = TextureRect.new()
	rectangle.texture = ImageTexture.create_from_image(pixels)
	var paint: ShaderMaterial = ShaderMaterial.new()
	paint.shader = preload("../addons/mirage/capture/unpack_depth.gdshader")
	paint.set_shader_parameter(&"far", 100.0)
	rectangle.material = paint
	flat.add_child(rectangle)
	root.add_child(flat)
	for frame: int in 2:
		await RenderingServer.frame_post_draw
	var data: PackedByteArray = flat.get_texture().get_image().get_data()
	flat.queue_free()
	return data
