extends "harness.gd"
## The loop in the real engine: what a viewport shows goes to a daemon with the model echo, and comes back.

const Scene := preload("scene.gd")


func test_what_comes_back_is_what_left() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], arguments["transport"])
	scene.view.send_motion = false
	var sent: Dictionary[int, int] = {}
	scene.view._capture.captured.connect(
			func(frame: Dictionary) -> void: sent[frame["id"]] = hash(frame["planes"]["color"]["data"]))
	scene.client.connect_to_daemon()
	var enough: bool = await wait_until(func() -> bool:
		scene.turn()
		return scene.results.size() >= 40)
	check(enough, "40 results came; there are %d" % scene.results.size())
	var pictures: Dictionary[int, bool] = {}
	for result: MirageResult in scene.results:
		equal(hash(result.image.get_data()), sent.get(result.id, 0), "picture %d" % result.id)
		equal(result.image.get_size(), Vector2i(256, 144), "size")
		pictures[hash(result.image.get_data())] = true
	check(pictures.size() > 20, "the pictures differ from one another; there are %d" % pictures.size())
	var figures: Dictionary = scene.client.get_statistics()
	equal(figures["transport"], "websocket" if arguments["transport"] == "websocket" else "shared-memory", "transport")
	check(figures["p50"] > 0.0 and figures["p50"] <= figures["p95"] and figures["rate"] > 0.0, "figures: %s" % figures)
	equal(scene.problems, [] as Array[MirageError], "problems")
	scene.free_all()


func test_the_screen_shows_the_result() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], arguments["transport"])
	scene.view.crossfade = 0.0
	scene.client.connect_to_daemon()
	# The game is drawn as it is until the first result.
	check(await wait_until(func() -> bool: return scene.view.transformed), "the view shows results")
	await RenderingServer.frame_post_draw
	var shown: Image = root.get_texture().get_image()
	var game: Image = scene.viewport.get_texture().get_image()
	shown.convert(Image.FORMAT_RGB8)
	game.convert(Image.FORMAT_RGB8)
	game.resize(shown.get_width(), shown.get_height(), Image.INTERPOLATE_BILINEAR)
	var difference: float = shown.compute_image_metrics(game, false)["mean"]
	check(difference < 3.0, "the window shows what an echo gives back: mean difference %f" % difference)
	scene.free_all()


func test_a_camera_is_a_source() -> void:
	var world: Node3D = Node3D.new()
	root.add_child(world)
	var camera: Camera3D = Camera3D.new()
	camera.position.z = 3.0
	world.add_child(camera)
	var box: MeshInstance3D = MeshInstance3D.new()
	box.mesh = BoxMesh.new()
	world.add_child(box)
	var client: MirageClient = MirageClient.new()
	client.url = arguments["url"]
	root.add_child(client)
	var view: MirageView = MirageView.new()
	view.client = client
	view.frame_size = Vector2i(320, 180)
	view.source = camera
	root.add_child(view)
	check(await wait_until(func() -> bool: return view.transformed), "a camera's frames come back")
	equal(view.texture.get_size(), Vector2(320.0, 180.0), "size of the result")
	var middle: Color = view.texture.get_image().get_pixel(160, 90)
	var corner: Color = view.texture.get_image().get_pixel(2, 2)
	check(not middle.is_equal_approx(corner), "the box is in the picture")
	check(root.disable_3d, "the scene is not drawn a second time beneath the view")
	view.free()
	check(not root.disable_3d, "and is drawn again when the view is gone")
	client.free()
	world.free()


func test_jpeg() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], "websocket")
	scene.client.compression = MirageClient.Compression.JPEG
	scene.client.jpeg_quality = 90
	var sent: Dictionary[int, Image] = {}
	scene.view._capture.captured.connect(func(frame: Dictionary) -> void:
		var color: Dictionary = frame["planes"]["color"]
		sent[frame["id"]] = Image.create_from_data(256, 144, false, Image.FORMAT_RGBA8, color["data"]))
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.results.size() >= 5), "5 results came")
	for result: MirageResult in scene.results:
		var before: Image = sent[result.id]
		before.convert(Image.FORMAT_RGB8)
		equal(result.image.get_format(), Image.FORMAT_RGB8, "format")
		check(result.image.compute_image_metrics(before, false)["mean"] < 4.0, "a JPEG is near to what left")
	scene.free_all()
