extends RefCounted
## One frame that was asked for, until all of its planes are in hand.

## Its id.
var id: int
## Its size in pixels.
var size: Vector2i
## The camera that saw it.
var camera: Dictionary
## What is in hand.
var planes: Dictionary = {}
## The frame that the plane [code]motion[/code] points back to, or -1.
var motion_from: int = -1
## How many answers of the render thread are missing.
var waiting: int = 0
## Frames drawn since.
var age: int = 0
## Why it failed, or empty.
var problem: String = ""


func _init(an_id: int, a_size: Vector2i, a_camera: Dictionary) -> void:
	id = an_id
	size = a_size
	camera = a_camera


## One that was never drawn.
static func failed(an_id: int, why: String) -> RefCounted:
	var job: RefCounted = new(an_id, Vector2i.ZERO, {})
	job.problem = why
	return job


## Whether nothing more is to be waited for.
func is_settled() -> bool:
	return waiting == 0 or not problem.is_empty()


## Why it cannot be used, or an empty string.
func check() -> String:
	if problem:
		return problem
	if not planes.has("color"):
		return "the viewport's picture could not be read"
	for name: String in planes:
		if not _fits(planes[name]):
			return "the viewport changed its size while the frame was drawn"
	return ""


## The frame, for everybody.
func frame() -> Dictionary:
	var whole: Dictionary = {"id": id, "planes": planes, "camera": camera}
	if planes.has("motion"):
		whole["motion_from"] = motion_from
	return whole


func _fits(plane: Dictionary) -> bool:
	var width: int = plane.get("width", 0)
	var height: int = plane.get("height", 0)
	return width > 0 and height > 0 and width * size.y == height * size.x and size.x % width == 0
