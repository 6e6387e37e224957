extends "stage.gd"
## How frames are asked for and come back, whatever happens meanwhile. All but one test need a window.


## The process ends while frames are on their way, which must neither crash nor leave anything behind.
func finish() -> void:
	if DisplayServer.get_name() == "headless":
		return
	make_stage()
	want()
	capture.depth_apart = false
	capture.at_once = false
	for frame: int in 4:
		ask()
		await RenderingServer.frame_post_draw
	ask()


func test_without_pixels_a_frame_fails_with_its_reason() -> void:
	if DisplayServer.get_name() != "headless":
		return
	make_stage()
	var why: String = "nothing is drawn with --headless"
	equal(capture.available["color"], why, "available")
	equal(await _failure(), why, "the reason")
	await clear_stage()


func test_the_answer_comes_in_order_whether_it_waits_or_not() -> void:
	make_stage()
	want()
	for at_once: bool in [true, false]:
		capture.at_once = at_once
		captured.clear()
		var asked: Array[int] = []
		for frame: int in 6:
			asked.append(ask())
			await RenderingServer.frame_post_draw
		await wait_until(func() -> bool: return captured.size() == 6)
		equal(captured.keys(), asked, "the ids, at_once %s" % at_once)
	equal(failures, {} as Dictionary[int, String], "failures")
	await clear_stage()


func test_a_second_request_before_a_frame_was_drawn_replaces_the_first() -> void:
	make_stage()
	var first: int = ask()
	check(not (await take()).is_empty(), "the second is captured")
	equal(failures, {first: "another frame was asked for before one was drawn"} as Dictionary[int, String], "failures")
	await clear_stage()


func test_another_size_each_frame() -> void:
	make_stage()
	want()
	capture.live_depth = true
	add_box(Vector3(0, 0, -5))
	for at_once: bool in [true, false]:
		capture.at_once = at_once
		for step: int in 8:
			stage.size = SIZE + Vector2i(step % 5, step % 3) * 16
			ask()
			await RenderingServer.frame_post_draw
	await wait_until(func() -> bool: return captured.size() + failures.size() == 16)
	equal(failures, {} as Dictionary[int, String], "failures")
	for id: int in captured:
		var planes: Dictionary = captured[id]["planes"]
		for name: String in planes:
			equal(planes[name]["width"], planes["color"]["width"], "width of %s" % name)
			equal(planes[name]["data"].size(), int(planes[name]["width"]) * int(planes[name]["height"]) * 4, "bytes")
	await clear_stage()


func test_what_cannot_be_drawn_fails_with_its_reason() -> void:
	make_stage()
	want()
	await take()
	stage.render_target_update_mode = SubViewport.UPDATE_DISABLED
	equal(await _failure(), "the viewport is not drawn", "disabled")
	if not runs("gl_compatibility") and not capture.depth_apart: # where that can be known
		stage.render_target_update_mode = SubViewport.UPDATE_WHEN_VISIBLE
		equal(await _failure(), "the viewport was not drawn", "not visible")
	stage.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	camera.current = false
	equal(await _failure(), "the camera is not the viewport's own", "no camera")
	camera.current = true
	stage.size = Vector2i.ZERO
	var small: Dictionary = await take()
	check(small.is_empty() or small["planes"]["color"]["width"] == stage.size.x, "no size")
	stage.size = SIZE
	check(not (await take()).is_empty(), "then it goes on")
	capture.watch(null, null)
	equal(await _failure(), "there is no viewport or no camera", "nothing is watched")
	await clear_stage()


func test_anything_may_be_freed_while_frames_are_on_their_way() -> void:
	for victim: String in ["capture", "stage", "camera"]:
		for at_once: bool in [true, false]:
			make_stage()
			want()
			capture.live_depth = true
			capture.at_once = at_once
			await take()
			ask()
			await RenderingServer.frame_post_draw
			ask()
			var node: Node = get(victim)
			node.free()
			for frame: int in 4:
				await RenderingServer.frame_post_draw
			if victim != "capture":
				equal(await _failure(), "there is no viewport or no camera", "without its %s" % victim)
			await clear_stage()


func test_planes_may_be_switched_at_any_time() -> void:
	make_stage()
	for step: int in 12:
		capture.depth = step % 2 == 0
		capture.motion = step % 3 == 0
		capture.normals = step % 4 == 0
		capture.live_depth = step % 5 == 0
		capture.depth_apart = step % 7 == 0
		var frame: Dictionary = await take()
		equal(frame["planes"].has("depth"), capture.depth, "depth, step %d" % step)
		equal(frame["planes"].has("normal"), capture.normals and runs("forward_plus"), "normals, step %d" % step)
		equal(capture.depth_texture != null, capture.depth or capture.live_depth or _has_scene(), "texture, step %d" % step)
	await clear_stage()


func test_compositors_are_left_as_they_were() -> void:
	if runs("gl_compatibility"):
		return
	for own: bool in [true, false]:
		make_stage()
		var effect: CompositorEffect = CompositorEffect.new()
		var theirs: Compositor = Compositor.new()
		theirs.compositor_effects = [effect]
		if own:
			camera.compositor = theirs
		else:
			surroundings.compositor = theirs
		want()
		capture.depth_apart = false
		await take()
		var during: Array[CompositorEffect] = camera.compositor.compositor_effects
		equal([during.size(), during[0] == effect], [2, true], "the effects in use")
		equal(theirs.compositor_effects, [effect] as Array[CompositorEffect], "the effects that were there")
		capture.watch(null, null)
		check(camera.compositor == (theirs if own else null), "the compositor is back")
		capture.watch(stage, camera)
		await take()
		var another: Compositor = Compositor.new()
		camera.compositor = another
		check(not (await take()).is_empty(), "it takes over a new one")
		capture.free()
		check(camera.compositor == another, "the new one is back")
		await clear_stage()


func test_no_camera_of_the_game_shows_the_packed_depth() -> void:
	make_stage()
	want()
	capture.depth_apart = true
	capture.live_depth = true
	camera.cull_mask = 0xffffffff
	add_box(Vector3(0, 0, -5), Vector3.ONE, Color8(200, 40, 10))
	await take()
	var frame: Dictionary = await take()
	near(bytes_at(frame, "color", CENTRE)[0], 200.0, 1.0, "red of the box")
	near(metres_at(frame, CENTRE), 4.5, 0.0005, "and its depth")
	await clear_stage()


## Why the next frame fails.
func _failure() -> String:
	await take()
	return failures.get(next_id, "")


func _has_scene() -> bool:
	return runs("forward_plus") and (capture.motion or capture.normals)
