extends "stage.gd"
## Motion as the renderer Forward+ gives it, where it is known what moved. Needs a window.
##
## [code]--save=FOLDER[/code] keeps frames of a moving camera, to be compared elsewhere.


func test_motion_of_a_thing_that_moves() -> void:
	if not runs("forward_plus"):
		return
	make_stage()
	want()
	var box: MeshInstance3D = add_box(Vector3(0, 0, -5))
	add_box(Vector3(0, 0, -40), Vector3(200, 20, 1))
	for steps: int in [1, 5]:
		# It moves in every frame: what has just stopped moves on for a frame, says Godot.
		var from: int = ask()
		for step: int in steps:
			await _after_a_step(box)
		var id: int = ask()
		await _after_a_step(box)
		var frame: Dictionary = captured[id]
		equal(frame["motion_from"], from, "the frame that it points to")
		var expected: Vector2 = -Vector2(0.03, 0.02) * steps / 4.5 * focal()
		near(motion_at(frame, CENTRE).x, expected.x, 0.03, "x after %d" % steps)
		near(motion_at(frame, CENTRE).y, expected.y, 0.03, "y after %d" % steps)
		check(motion_at(frame, LEFT).length() < 0.01, "the wall rests: %s" % motion_at(frame, LEFT))
		check(motion_at(frame, CORNER).length() < 0.01, "the sky rests: %s" % motion_at(frame, CORNER))
	await clear_stage()


func test_motion_of_a_place_that_was_hidden_is_unknown() -> void:
	if not runs("forward_plus"):
		return
	make_stage()
	want()
	var box: MeshInstance3D = add_box(Vector3(0, 0, -5))
	add_box(Vector3(0, 0, -40), Vector3(200, 20, 1))
	await take()
	for step: int in 5:
		await RenderingServer.frame_post_draw
		box.position.x += 0.08
	var frame: Dictionary = await take()
	var edge: int = 128 - roundi(0.5 / 4.5 * focal()) # where the box began
	var hidden: Vector2 = motion_at(frame, Vector2i(edge + 4, 72))
	check(is_nan(hidden.x) and is_nan(hidden.y), "what was hidden: %s" % hidden)
	var bytes: PackedByteArray = bytes_at(frame, "motion", Vector2i(edge + 4, 72))
	equal(bytes.hex_encode(), "007e007e", "as the specification writes it")
	check(motion_at(frame, Vector2i(edge - 4, 72)).length() < 0.01, "what was seen all the time")
	await clear_stage()


func test_motion_never_points_to_a_frame_that_failed() -> void:
	if not runs("forward_plus"):
		return
	make_stage()
	want()
	capture.depth_apart = false # which waits
	capture.at_once = false
	var first: Dictionary = await take()
	var lost: int = ask()
	await RenderingServer.frame_post_draw
	capture._jobs[0].problem = "a test"
	var after: Dictionary = await take()
	equal(failures, {lost: "a test"} as Dictionary[int, String], "what failed")
	check(not after["planes"].has("motion") and not after.has("motion_from"), "the frame after it has no motion")
	equal((await take())["motion_from"], after["id"], "then motion goes on")
	check(first["id"] < lost, "the order")
	await clear_stage()


func test_motion_starts_again_with_another_size_or_camera() -> void:
	if not runs("forward_plus"):
		return
	make_stage()
	want()
	await take()
	check((await take())["planes"].has("motion"), "motion of the second frame")
	stage.size = Vector2i(128, 72)
	check(not (await take())["planes"].has("motion"), "after another size")
	check((await take())["planes"].has("motion"), "and then")
	var other: Camera3D = Camera3D.new()
	stage.add_child(other)
	other.make_current()
	capture.watch(stage, other)
	check(not (await take())["planes"].has("motion"), "after another camera")
	await clear_stage()


func test_frames_of_a_moving_camera_are_kept() -> void:
	if not arguments.has("save"):
		return
	for steps: int in [1, 5]:
		make_stage()
		want()
		add_box(Vector3(0, 0, -5), Vector3(2, 2, 2))
		add_box(Vector3(0, -3, -20), Vector3(80, 1, 80))
		camera.rotation = Vector3(-0.1, 0.2, 0.1)
		var before: Dictionary = await take()
		for step: int in steps:
			await RenderingServer.frame_post_draw
			camera.rotation += Vector3(0.01, -0.02, 0.015)
			camera.position += Vector3(0.05, 0.02, -0.04)
		_save("camera-%d" % steps, await take(), before)
		await clear_stage()


func _after_a_step(box: Node3D) -> void:
	box.position += Vector3(0.03, -0.02, 0.0)
	await RenderingServer.frame_post_draw


func _save(name: String, frame: Dictionary, before: Dictionary) -> void:
	var base: String = "%s/%s" % [arguments["save"], name]
	for plane_name: String in ["depth", "motion"]:
		if frame["planes"].has(plane_name):
			var plane: Dictionary = frame["planes"][plane_name]
			FileAccess.open("%s.%s" % [base, plane_name], FileAccess.WRITE).store_buffer(plane["data"])
	var cameras: Dictionary = {"now": frame["camera"], "before": before["camera"]}
	FileAccess.open(base + ".json", FileAccess.WRITE).store_string(JSON.stringify(cameras, "", true, true))
