extends Node
## Takes the planes of a viewport (SPEC.md section 5): its picture and, as far as the renderer can give them, depth, motion
## and normals, with the camera that saw them.

## A frame that was asked for, all planes in hand: [code]id[/code]; [code]planes[/code], a map from a plane's name to a map
## of [code]format[/code], [code]width[/code], [code]height[/code] and [code]data[/code]; [code]camera[/code], see
## [code]camera_data.gd[/code]; and [code]motion_from[/code], only beside the plane [code]motion[/code].
signal captured(frame: Dictionary)
## A frame that was asked for and will not come, and why, in one line for a person.
signal failed(id: int, why: String)

const CameraData := preload("camera_data.gd")
const ColorPlane := preload("color_plane.gd")
const CompositorSlot := preload("compositor_slot.gd")
const DepthPass := preload("depth_pass.gd")
const Inbox := preload("inbox.gd")
const Job := preload("job.gd")
const Readback := preload("readback.gd")
const Renderer := preload("renderer.gd")
const ScenePlanes := preload("scene_planes.gd")

## Frames drawn until one that was asked for is given up.
const PATIENCE: int = 60
## Frames of the game between a request and its answer where nothing waits.
const LAG: int = 2

## Whether frames have the plane [code]depth[/code].
var depth: bool = false:
	set(value):
		depth = value
		_stale = true
## Whether frames have the plane [code]motion[/code].
var motion: bool = false:
	set(value):
		motion = value
		_stale = true
## Whether frames have the plane [code]normal[/code].
var normals: bool = false:
	set(value):
		normals = value
		_stale = true
## Whether [member depth_texture] is drawn for every frame, also for those that nobody asks for.
var live_depth: bool = false:
	set(value):
		live_depth = value
		_stale = true
## Draw depth by a second pass over the scene also where the renderer has its own at hand. For tests.
var depth_apart: bool = false:
	set(value):
		depth_apart = value
		_stale = true
## Wait for the graphics card, so that a frame is in hand as soon as it was drawn: the shortest way there and back. Without
## it nothing waits, and where there is a rendering device (Forward+, Mobile) a frame is in hand two frames later.
var at_once: bool = true
## Where depth takes a second pass over the scene: by how much its sides are smaller than the frame's. 1 is used where the
## frame cannot be divided by it.
var depth_scale: int = 1
## The current frame's depth on the graphics card; null where there is none.
var depth_texture: Texture2D:
	get:
		if _depth_pass:
			return _depth_pass.texture
		return _depth_texture if _scene else null
## Whether [member depth_texture] is packed as in [code]pack_depth.gdshader[/code]; else it holds metres.
var depth_texture_packed: bool:
	get:
		return _depth_pass != null
## What this renderer can give: a map from [code]color[/code], [code]depth[/code], [code]motion[/code] and
## [code]normal[/code] to an empty string, or to the reason why it cannot.
var available: Dictionary[String, String]:
	get:
		return Renderer.available()

## Microseconds that this node's work took since this was last set to 0; what the signals are connected to not included.
var spent: int = 0
## Microseconds of these in which a picture was fetched from the graphics card, which first had to finish it. What is
## fetched on the render thread is not in them.
var waited: int = 0

## How many frames late an answer is.
var lag: int:
	get:
		return LAG if not at_once and Renderer.has_compositor() else 0

# What the render thread does is given to it as functions that have caught all they need in variables of their own, and so
# keep it alive, even if this node is freed before.
var _viewport: SubViewport
var _camera: Camera3D
var _stale: bool = true
var _asked: int = -1
var _drawing: Job
var _jobs: Array[Job] = []
var _last_id: int = -1
var _inbox: Inbox = Inbox.new()
var _color: ColorPlane
var _scene: ScenePlanes
var _slot: CompositorSlot
var _depth_pass: DepthPass
var _depth_texture: Texture2DRD


## Capture what [param camera] shows in [param viewport] from now on; null for nothing. Frames that were asked for before
## fail. Neither is kept alive, and leaving the tree ends it.
func watch(viewport: SubViewport, camera: Camera3D) -> void:
	if viewport == _viewport and camera == _camera:
		return
	_stop()
	_last_id = -1
	_viewport = viewport
	_camera = camera
	_fail_all("another camera is captured now")


## Capture the next frame that is drawn under [param id]. Either signal answers, in the order of the ids.
func request(id: int) -> void:
	if _asked >= 0:
		_jobs.append(Job.failed(_asked, "another frame was asked for before one was drawn"))
	_asked = id
	if not Renderer.draws():
		_fail_all(Renderer.problem(_viewport, _camera))
		_after_drawing.call_deferred()


func _enter_tree() -> void:
	RenderingServer.frame_pre_draw.connect(_before_drawing)
	# With a render thread of its own the signal comes at any time; then the next frame's beginning says that one is done.
	if RenderingServer.is_on_render_thread():
		RenderingServer.frame_post_draw.connect(_after_drawing)


func _exit_tree() -> void:
	RenderingServer.frame_pre_draw.disconnect(_before_drawing)
	if RenderingServer.frame_post_draw.is_connected(_after_drawing):
		RenderingServer.frame_post_draw.disconnect(_after_drawing)
	_stop()
	_jobs.clear()
	_drawing = null
	_asked = -1


func _before_drawing() -> void:
	var began: int = Time.get_ticks_usec()
	_prepare_drawing()
	spent += Time.get_ticks_usec() - began


func _prepare_drawing() -> void:
	if not RenderingServer.is_on_render_thread():
		_after_drawing()
	_drawing = null
	var problem: String = Renderer.problem(_viewport, _camera)
	if problem:
		if not is_instance_valid(_viewport) or not is_instance_valid(_camera):
			_stop()
		if _asked >= 0:
			_jobs.append(Job.failed(_asked, problem))
			_asked = -1
		return
	if _stale:
		_start()
	if _scene:
		var seen: Dictionary = CameraData.of(_camera)
		var terms: Vector4 = CameraData.depth_terms(_camera.get_camera_projection())
		var scene: ScenePlanes = _scene
		RenderingServer.call_on_render_thread(func() -> void: scene.see(seen, terms))
	if _asked >= 0:
		_begin()
	if _depth_pass and (_drawing or live_depth):
		_depth_pass.draw(_viewport, _camera, _depth_size(), _drawing != null)


## Make what the planes that are wanted need, and let go of what they do not.
func _start() -> void:
	_stale = false
	var missing: Dictionary[String, String] = available
	var has_depth: bool = (depth or live_depth) and not missing["depth"]
	var has_motion: bool = motion and not missing["motion"]
	var has_normals: bool = normals and not missing["normal"]
	var apart: bool = has_depth and (depth_apart or not Renderer.has_compositor())
	if apart != (_depth_pass != null):
		_place_depth_pass(apart)
	var uses_scene: bool = has_motion or has_normals or (has_depth and not apart)
	if uses_scene and _scene == null:
		_open_scene()
	elif not uses_scene:
		_close_scene()
	if _scene:
		_scene.reads_depth = depth and has_depth and not apart
		_scene.reads_motion = has_motion
		_scene.reads_normals = has_normals
		_scene.is_live = live_depth


func _begin() -> void:
	_drawing = Job.new(_asked, _viewport.size, CameraData.of(_camera))
	_asked = -1
	_jobs.append(_drawing)
	if _scene:
		_slot.refresh()
		_drawing.waiting += 1
		var scene: ScenePlanes = _scene
		var id: int = _drawing.id
		RenderingServer.call_on_render_thread(func() -> void: scene.ask(id))


func _after_drawing() -> void:
	var began: int = Time.get_ticks_usec()
	_read()
	spent += Time.get_ticks_usec() - began
	while not _jobs.is_empty() and _jobs[0].is_settled():
		_answer(_jobs.pop_front())


## Read what was drawn, and take in what was read before.
func _read() -> void:
	if _drawing and is_instance_valid(_viewport):
		if _scene:
			var scene: ScenePlanes = _scene
			RenderingServer.call_on_render_thread(func() -> void: scene.give_up())
		_read_color(_drawing)
		if _depth_pass and depth:
			var began: int = Time.get_ticks_usec()
			_drawing.planes["depth"] = _depth_pass.plane()
			waited += Time.get_ticks_usec() - began
	_drawing = null
	_fetch()
	for job: Job in _jobs:
		job.age += 1
		if job.age > PATIENCE:
			job.problem = "the renderer did not draw it"


func _read_color(job: Job) -> void:
	if Renderer.has_compositor():
		if _color == null:
			_color = ColorPlane.new()
		job.waiting += 1
		var color: ColorPlane = _color
		var viewport: RID = _viewport.get_viewport_rid()
		var readback: Readback = Readback.new(job.id, _inbox)
		var waits: bool = at_once
		RenderingServer.call_on_render_thread(func() -> void: color.read(viewport, readback, waits))
		return
	var began: int = Time.get_ticks_usec()
	var image: Image = _viewport.get_texture().get_image()
	waited += Time.get_ticks_usec() - began
	if _viewport.transparent_bg:
		image.convert(Image.FORMAT_RGB8)
	image.convert(Image.FORMAT_RGBA8)
	job.planes["color"] = {
		"format": "rgba8", "width": image.get_width(), "height": image.get_height(), "data": image.get_data()
	}


## Take in what came from the render thread.
func _fetch() -> void:
	for item: Variant in _inbox.take():
		if item is Array:
			_change_depth_texture(item[0], item[1])
		else:
			_add(item)


func _add(readback: Readback) -> void:
	for job: Job in _jobs:
		if job.id == readback.id:
			job.planes.merge(readback.planes)
			job.motion_from = maxi(job.motion_from, readback.motion_from)
			job.problem = readback.problem if job.problem.is_empty() else job.problem
			job.waiting -= 1


func _answer(job: Job) -> void:
	var problem: String = job.check()
	if problem:
		failed.emit(job.id, problem)
		return
	# The motion of a frame after one that failed points to a frame that nobody has.
	if job.motion_from != _last_id or job.motion_from < 0:
		job.planes.erase("motion")
	_last_id = job.id
	captured.emit(job.frame())


func _fail_all(why: String) -> void:
	if _asked >= 0:
		_jobs.append(Job.failed(_asked, why))
		_asked = -1
	for job: Job in _jobs:
		job.problem = why if job.problem.is_empty() else job.problem


func _change_depth_texture(new: RID, old: RID) -> void:
	if _scene == null:
		return
	_depth_texture.texture_rd_rid = new
	var scene: ScenePlanes = _scene
	RenderingServer.call_on_render_thread(func() -> void: scene.release(old))


func _place_depth_pass(wanted: bool) -> void:
	if wanted:
		_depth_pass = DepthPass.new()
		_depth_pass.watch(_viewport)
		add_child(_depth_pass)
	else:
		_depth_pass.queue_free()
		_depth_pass = null


func _depth_size() -> Vector2i:
	var divides: bool = depth_scale > 1 and _viewport.size % depth_scale == Vector2i.ZERO
	return _viewport.size / depth_scale if divides else _viewport.size


func _open_scene() -> void:
	_scene = ScenePlanes.new(_inbox)
	_slot = CompositorSlot.new(_camera, _scene)
	_depth_texture = Texture2DRD.new()


func _close_scene() -> void:
	if _scene == null:
		return
	_slot.close()
	_slot = null
	_fetch()
	_depth_texture.texture_rd_rid = RID()
	_depth_texture = null
	var scene: ScenePlanes = _scene
	_scene = null
	RenderingServer.call_on_render_thread(func() -> void: scene.close())


func _stop() -> void:
	_close_scene()
	if _depth_pass:
		_place_depth_pass(false)
	if _color:
		var color: ColorPlane = _color
		_color = null
		RenderingServer.call_on_render_thread(func() -> void: color.close())
	_viewport = null
	_camera = null
	_stale = true
