extends "harness.gd"
## Bad daemons and bad sources: no script error, no hang, and a state and a signal that say what happened. One case a run
## ([code]--case=[/code]); where the other side has to do something, a file in [code]--marks[/code] says when.

const Scene := preload("scene.gd")


func test_the_case() -> void:
	await call("case_" + arguments["case"])


## Nobody answers: the game goes on, and the client goes on trying.
func case_absent() -> void:
	var scene: Scene = _connected_scene()
	check(await wait_until(func() -> bool: return scene.problems.size() > 0), "it is said")
	equal(scene.problems[0].code, &"unreachable", "code")
	await _frames(60)
	equal(scene.client.state, MirageClient.State.CONNECTING, "state")
	equal(scene.problems.size(), 1, "it is said once")
	check(not scene.view.transformed, "the game is shown")
	scene.free_all()


func case_no_address() -> void:
	for address: String in ["", "127.0.0.1:8765", "http://127.0.0.1:8765/main", "ws://", "ws://a b/main"]:
		var scene: Scene = Scene.new(root, address)
		scene.client.connect_to_daemon()
		await _frames(3)
		equal(scene.client.state, MirageClient.State.REFUSED, "state for '%s'" % address)
		check(scene.problems.size() == 1 and scene.problems[0].message.contains("address"), "it is said")
		scene.free_all()


func case_other_version() -> void:
	var scene: Scene = _connected_scene()
	check(await wait_until(func() -> bool: return scene.client.state == MirageClient.State.REFUSED), "refused")
	equal(scene.problems[0].code, &"handshake", "code")
	check(scene.problems[0].message.contains("version 2"), scene.problems[0].message)
	scene.free_all()


func case_wrong_token() -> void:
	var scene: Scene = Scene.new(root, arguments["url"])
	scene.client.token = "wrong"
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.client.state == MirageClient.State.REFUSED), "refused")
	equal(scene.problems[-1].code, &"unauthorized", "code")
	scene.free_all()


func case_source_taken() -> void:
	var first: Scene = _connected_scene()
	check(await wait_until(func() -> bool: return first.client.is_connected_to_daemon()), "the first is connected")
	var second: Scene = _connected_scene()
	check(await wait_until(func() -> bool: return second.client.state == MirageClient.State.REFUSED), "refused")
	equal(second.problems[-1].code, &"source-taken", "code")
	second.client.take_over = true
	second.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return second.results.size() > 2), "it took the stream over")
	check(await wait_until(func() -> bool: return first.client.state == MirageClient.State.REFUSED), "the first is told")
	first.free_all()
	second.free_all()


## Messages that are none are reported and do no harm.
func case_malformed() -> void:
	var scene: Scene = _connected_scene()
	check(await wait_until(func() -> bool: return scene.problems.size() >= 3), "each is said")
	check(await wait_until(func() -> bool: return scene.results.size() >= 5), "results go on")
	equal(scene.client.state, MirageClient.State.CONNECTED, "state")
	scene.free_all()


## The daemon dies while a frame is on its way, is away for a while, and comes back.
func case_killed() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], arguments["transport"])
	scene.view.crossfade = 0.0
	scene.client.parameters.seed = 5
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.results.size() > 10), "results come")
	scene.client.parameters.strength = 0.75
	check(await wait_until(func() -> bool: return scene.results[-1].parameters["strength"] == 0.75), "it is in force")
	_mark("streaming")
	check(await wait_until(func() -> bool: return scene.client.state == MirageClient.State.RECONNECTING), "it is noticed")
	var held: int = hash(scene.view.texture.get_image().get_data())
	await _seconds(1.5)
	check(scene.view.transformed, "the last good picture stays")
	equal(hash(scene.view.texture.get_image().get_data()), held, "the picture that is held")
	scene.view.when_away = MirageView.WhenAway.SHOW_GAME
	await _frames(3)
	check(not scene.view.transformed, "or the game is shown")
	_mark("away")
	var before: int = scene.results.size()
	check(await wait_until(func() -> bool: return scene.results.size() > before + 10), "results come again")
	check(scene.view.transformed, "and are shown")
	equal(scene.results[-1].parameters["strength"], 0.75, "what was set is asked for again")
	equal(scene.client.state, MirageClient.State.CONNECTED, "state")
	equal(scene.states.filter(func(state: MirageClient.State) -> bool:
		return state == MirageClient.State.RECONNECTING).size(), 1, "how often it reconnected")
	scene.free_all()


## The viewport is resized with every frame: each result has its own frame's size.
func case_resized() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], arguments["transport"])
	var sizes: Dictionary[int, Vector2i] = {}
	scene.view._capture.captured.connect(func(frame: Dictionary) -> void:
		var color: Dictionary = frame["planes"]["color"]
		sizes[frame["id"]] = Vector2i(color["width"], color["height"]))
	scene.client.connect_to_daemon()
	var count: Array[int] = [0]
	var done: bool = await wait_until(func() -> bool:
		count[0] += 1
		scene.viewport.size = Vector2i(64 + count[0] % 50 * 8, 48 + count[0] % 37 * 6)
		return scene.results.size() > 60)
	check(done, "results come; there are %d" % scene.results.size())
	for result: MirageResult in scene.results:
		equal(result.image.get_size(), sizes[result.id], "size of %d" % result.id)
	scene.free_all()


func case_size_zero() -> void:
	var scene: Scene = _connected_scene()
	check(await wait_until(func() -> bool: return scene.results.size() > 3), "results come")
	# Two pixels are the least that Godot makes a viewport of.
	scene.viewport.size = Vector2i.ZERO
	await _frames(20)
	scene.viewport.size = Vector2i(128, 72)
	# How many small ones are on their way still nobody can say.
	var is_back: Callable = func() -> bool: return scene.results[-1].image.get_size() == Vector2i(128, 72)
	check(await wait_until(is_back), "results of the new size come")
	scene.free_all()


## A slow daemon answers with sizes that the viewport no longer has.
func case_late_result() -> void:
	var scene: Scene = _connected_scene()
	check(await wait_until(func() -> bool: return scene.results.size() > 2), "results come")
	for round_: int in 6:
		scene.viewport.size = Vector2i(200 + round_ * 40, 120 + round_ * 20)
		await _seconds(0.15)
	check(await wait_until(func() -> bool: return scene.results[-1].image.get_size() == scene.viewport.size), "it settles")
	scene.free_all()


## Nodes go at any moment: the view, the client, the viewport, the camera.
func case_freed() -> void:
	for what: String in ["view", "client", "viewport", "camera", "all"]:
		for wait: int in 4:
			var scene: Scene = _connected_scene()
			await wait_until(func() -> bool: return scene.results.size() > 0)
			await _frames(wait)
			if what == "all":
				scene.free_all()
			else:
				(scene.get(what) as Node).free()
			await _frames(5)
			scene.free_all()
			await _frames(2)
	check(true, "no error")


## A frame that is larger than the daemon takes is answered with an error, and the next one is tried.
func case_too_large() -> void:
	var scene: Scene = Scene.new(root, arguments["url"], "auto", Vector2i(512, 288))
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.problems.size() > 0), "it is said")
	equal(scene.problems[0].code, &"too-large", "code")
	scene.viewport.size = Vector2i(64, 64)
	check(await wait_until(func() -> bool: return scene.results.size() > 2), "a smaller one is taken")
	scene.free_all()


func _connected_scene() -> Scene:
	var scene: Scene = Scene.new(root, arguments["url"])
	scene.client.connect_to_daemon()
	return scene


func _frames(count: int) -> void:
	for _each: int in count:
		await process_frame


func _seconds(seconds: float) -> void:
	await create_timer(seconds).timeout


func _mark(name: String) -> void:
	FileAccess.open(arguments["marks"].path_join(name), FileAccess.WRITE).close()
