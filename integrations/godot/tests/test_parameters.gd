extends "harness.gd"
## Parameters between the inspector's resource and a daemon; run against the model echo.

const Scene := preload("scene.gd")


func test_what_the_scene_chose_is_in_force_from_the_first_frame() -> void:
	var scene: Scene = Scene.new(root, arguments["url"])
	scene.client.parameters.prompt = "lava"
	scene.client.parameters.strength = 0.25
	scene.client.parameters.prompts = {"ice": 3.0, "moss": 1.0}
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.results.size() > 0), "a result came")
	var resolved: Dictionary = scene.results[0].parameters
	equal(resolved["strength"], 0.25, "strength")
	equal(resolved["prompts"].size(), 2, "prompts")
	equal(resolved["prompts"][0]["text"], "ice", "first prompt")
	scene.free_all()


func test_a_change_acts_at_once_and_others_hear_of_it() -> void:
	var scene: Scene = Scene.new(root, arguments["url"])
	var other: MirageClient = MirageClient.new()
	other.url = arguments["url"]
	other.role = MirageClient.Role.CONTROLLER
	root.add_child(other)
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.client.is_connected_to_daemon()), "connected")
	check(await wait_until(func() -> bool: return other.is_connected_to_daemon()), "the other one too")
	scene.client.parameters.seed = 42
	scene.client.parameters.coherence = 0.5
	check(await wait_until(func() -> bool: return other.parameters.seed == 42), "the other one hears of it")
	equal(other.parameters.coherence, 0.5, "changes of one frame come together")
	other.parameters.mask_ids = PackedInt64Array([7, 12])
	check(await wait_until(func() -> bool: return scene.client.parameters.mask_ids.size() == 2), "and the other way")
	check(await wait_until(func() -> bool:
		return not scene.results.is_empty() and scene.results[-1].parameters["mask_ids"] == [7, 12]), "it is in force")
	other.free()
	scene.free_all()


func test_what_the_daemon_refuses_is_taken_back() -> void:
	var scene: Scene = Scene.new(root, arguments["url"])
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.client.is_connected_to_daemon()), "connected")
	scene.client.parameters.prompt = "ink drawing"
	scene.client.parameters.prompt = "x".repeat(2000)
	check(await wait_until(func() -> bool: return not scene.problems.is_empty()), "it is said")
	equal(scene.problems[0].code, &"out-of-range", "code")
	equal(scene.problems[0].field, "parameters.prompt", "field")
	check(scene.client.parameters.prompt.length() < 2000, "what is in force stands there again")
	check(scene.client.is_connected_to_daemon(), "the connection goes on")
	scene.free_all()


func test_numbers_stay_in_their_range() -> void:
	var parameters: MirageParameters = MirageParameters.new()
	parameters.strength = 7.0
	parameters.steps = -3
	equal(parameters.strength, 1.0, "strength")
	equal(parameters.steps, 1, "steps")
	parameters.take({"prompt": 5, "seed": "seven", "strength": 0.5, "unknown": 1})
	equal(parameters.prompt, "oil painting", "a value of another type is passed over")
	equal(parameters.strength, 0.5, "the others are taken")


func test_the_inspector_has_ranges_and_help() -> void:
	var parameters: MirageParameters = MirageParameters.new()
	var properties: Dictionary[String, Dictionary] = {}
	for property: Dictionary in parameters.get_property_list():
		properties[property["name"]] = property
	for name: StringName in MirageParameters.TABLE:
		check(properties.has(name), "the inspector shows %s" % name)
	equal(properties["strength"]["hint"], PROPERTY_HINT_RANGE, "hint")
	equal(properties["strength"]["hint_string"], "0.0,1.0,0.001", "range")


func test_a_show_without_one_says_so() -> void:
	var scene: Scene = Scene.new(root, arguments["url"])
	scene.client.connect_to_daemon()
	check(await wait_until(func() -> bool: return scene.client.is_connected_to_daemon()), "connected")
	scene.client.play("goto", {"cue": "99"})
	check(await wait_until(func() -> bool: return not scene.problems.is_empty()), "there is no such cue")
	scene.free_all()
