extends "harness.gd"
## Minutes of frames leave nothing behind: no memory, no objects, no orphan nodes, no textures.

const Scene := preload("scene.gd")


func test_nothing_grows() -> void:
	var seconds: float = float(arguments["seconds"])
	var scene: Scene = Scene.new(root, arguments["url"], arguments["transport"])
	scene.client.result_received.disconnect(scene.results.append)
	scene.client.connect_to_daemon()
	# Statistics and pools fill first.
	await _run_for(scene, maxf(seconds * 0.25, 11.0))
	var before: Dictionary = _counted()
	await _run_for(scene, seconds)
	var after: Dictionary = _counted()
	print("before %s\nafter  %s" % [before, after])
	check(scene.client.get_statistics()["results"] > 50, "frames were transformed: %s" % scene.client.get_statistics())
	equal(after["orphans"], 0, "orphan nodes")
	check(after["objects"] <= before["objects"] + 20, "objects: %d, then %d" % [before["objects"], after["objects"]])
	check(after["resources"] <= before["resources"] + 5, "resources")
	check(after["memory"] <= before["memory"] + 4_000_000, "memory: %d, then %d" % [before["memory"], after["memory"]])
	check(after["textures"] <= before["textures"] + 2_000_000, "texture memory")
	scene.free_all()


func _run_for(scene: Scene, seconds: float) -> void:
	var end: int = Time.get_ticks_msec() + int(seconds * 1000.0)
	while Time.get_ticks_msec() < end:
		scene.turn()
		await process_frame


func _counted() -> Dictionary:
	return {
		"objects": int(Performance.get_monitor(Performance.OBJECT_COUNT)),
		"resources": int(Performance.get_monitor(Performance.OBJECT_RESOURCE_COUNT)),
		"orphans": int(Performance.get_monitor(Performance.OBJECT_ORPHAN_NODE_COUNT)),
		"memory": int(Performance.get_monitor(Performance.MEMORY_STATIC)),
		"textures": int(Performance.get_monitor(Performance.RENDER_TEXTURE_MEM_USED)),
	}
