extends "harness.gd"
## The loop with the embedded model: pictures are transformed, and follow the prompt.

const Scene := preload("scene.gd")


func test_pictures_follow_the_prompt() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], "auto", Vector2i(384, 216))
	var sent: Dictionary[int, Image] = {}
	scene.view._capture.captured.connect(func(frame: Dictionary) -> void:
		var color: Dictionary = frame["planes"]["color"]
		sent[frame["id"]] = Image.create_from_data(384, 216, false, Image.FORMAT_RGBA8, color["data"]))
	scene.client.connect_to_daemon()
	var lava: Color = await _mean_with(scene, "lava")
	var changed: float = _difference(sent[scene.results[-1].id], scene.results[-1].image)
	check(changed > 8.0, "the picture is transformed: mean difference %f" % changed)
	if arguments.has("save"):
		scene.results[-1].image.save_png(arguments["save"].path_join("lava.png"))
	var ice: Color = await _mean_with(scene, "ice")
	if arguments.has("save"):
		scene.results[-1].image.save_png(arguments["save"].path_join("ice.png"))
	check(lava.r - lava.b > 0.15, "lava is red: %s" % lava)
	check(ice.b > ice.r, "ice is blue: %s" % ice)
	equal(scene.problems, [] as Array[MirageError], "problems")
	scene.free_all()


func _mean_with(scene: Scene, prompt: String) -> Color:
	scene.client.parameters.prompt = prompt
	await wait_until(func() -> bool:
		scene.turn(0.01)
		return not scene.results.is_empty() and scene.results[-1].parameters["prompts"][0]["text"] == prompt)
	var from: int = scene.results.size()
	check(await wait_until(func() -> bool: return scene.results.size() > from + 8), "results with %s" % prompt)
	var image: Image = scene.results[-1].image.duplicate()
	image.resize(1, 1, Image.INTERPOLATE_TRILINEAR)
	return image.get_pixel(0, 0)


static func _difference(one: Image, other: Image) -> float:
	var first: Image = one.duplicate()
	var second: Image = other.duplicate()
	first.convert(Image.FORMAT_RGB8)
	second.convert(Image.FORMAT_RGB8)
	return first.compute_image_metrics(second, false)["mean"]
