extends RefCounted
## Puts an effect of our own at the end of a camera's compositor, and everything back as it was.
##
## The camera gets a compositor of its own, with the effects that it had before ours: a compositor is a resource that
## other cameras may share. A camera without one uses that of the [WorldEnvironment], so its effects are taken over then.

var _camera: Camera3D
var _effect: CompositorEffect
var _ours: Compositor = Compositor.new()
var _theirs: Compositor
var _world: Compositor


## Start: [param camera] must be inside the tree.
func _init(camera: Camera3D, effect: CompositorEffect) -> void:
	_camera = camera
	_effect = effect
	_world = _of_world()
	refresh()


## Take over what has been changed since: another compositor on the camera, other effects in it.
func refresh() -> void:
	if _camera.compositor != _ours:
		_theirs = _camera.compositor
	var source: Compositor = _theirs if _theirs else _world
	var effects: Array[CompositorEffect] = []
	if source:
		effects.assign(source.compositor_effects)
	effects.append(_effect)
	if effects != _ours.compositor_effects:
		_ours.compositor_effects = effects
	if _camera.compositor != _ours:
		_camera.compositor = _ours


## Put everything back.
func close() -> void:
	if is_instance_valid(_camera) and _camera.compositor == _ours:
		_camera.compositor = _theirs
	_ours.compositor_effects = []
	_camera = null
	_world = null


## The compositor of the first [WorldEnvironment] of the camera's world that has one, as Godot itself chooses.
func _of_world() -> Compositor:
	var world: World3D = _camera.get_world_3d()
	for node: Node in _camera.get_tree().root.find_children("*", "WorldEnvironment", true, false):
		var found: WorldEnvironment = node
		if found.compositor and found.get_viewport().find_world_3d() == world:
			return found.compositor
	return null
