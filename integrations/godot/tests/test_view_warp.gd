extends "harness.gd"
## Late warping in the view, with a daemon that takes as long as a model: what is shown follows the camera.

const Scene := preload("scene.gd")
## Outside of it a picture that turns has nothing to show yet.
const OVERLAP: Rect2i = Rect2i(64, 16, 384, 256)


func test_the_view_follows_a_camera_that_turns() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], "auto", Vector2i(512, 288))
	scene.view.send_depth = MirageView.Depth.ALWAYS
	scene.view.crossfade = 0.0
	scene.client.connect_to_daemon()
	var turn: Callable = func() -> void:
		scene.camera.rotation_degrees.y = sin(Engine.get_frames_drawn() * 0.09) * 11.0
	check(await wait_until(func() -> bool:
		turn.call()
		return scene.results.size() > 8), "results came")
	var late: float = 0.0
	var warped: float = 0.0
	for frame: int in 40:
		turn.call()
		await RenderingServer.frame_post_draw
		var game: Image = scene.viewport.get_texture().get_image()
		late += _difference(game, scene.view.texture.get_image())
		warped += _difference(game, root.get_texture().get_image())
		if frame == 20 and arguments.has("save"):
			root.get_texture().get_image().save_png(arguments["save"].path_join("warped.png"))
			scene.view.texture.get_image().save_png(arguments["save"].path_join("late.png"))
			game.save_png(arguments["save"].path_join("game.png"))
		await process_frame
	print("mean difference: late %.2f, warped %.2f" % [late / 40.0, warped / 40.0])
	check(late > 40.0, "the camera turns: %f" % late)
	check(warped * 3.0 <= late, "what is shown is three times nearer: %f, %f" % [warped, late])
	scene.view.late_warp = false
	scene.free_all()


static func _difference(one: Image, other: Image) -> float:
	var parts: Array[Image] = [one.get_region(OVERLAP), other.get_region(OVERLAP)]
	for part: Image in parts:
		part.convert(Image.FORMAT_RGB8)
	return parts[0].compute_image_metrics(parts[1], false)["mean"]
