extends RefCounted
## Cameras as the protocol describes them (SPEC.md section 5.6), and what follows from two of them.
##
## All of it is computed in double precision, since [Projection] and [Transform3D] have only single.

const Reprojection := preload("reprojection.gd")


## The camera as it draws now: [code]view[/code] and [code]projection[/code] (16 numbers each, row by row),
## [code]near[/code] and [code]far[/code] in metres. The camera must be inside a viewport.
static func of(camera: Camera3D) -> Dictionary:
	return described(camera.get_camera_transform(), camera.get_camera_projection(), camera.near, camera.far)


## The same from its parts: [param transform] goes from the camera to the world.
static func described(transform: Transform3D, projection: Projection, near: float, far: float) -> Dictionary:
	return {"view": _view(transform), "projection": _rows(projection), "near": near, "far": far}


## What turns a depth buffer's value d into metres: (x + y d) / (z + w d). Godot's buffers hold 1 at the near plane and 0
## at the far one in every renderer. [param projection] must be the very matrix that was drawn with: its own rounding, as
## large as the share of the near plane in the far one, then cancels out.
static func depth_terms(projection: Projection) -> Vector4:
	var p: Projection = projection
	return Vector4(p.w.w - p.w.z, -2.0 * p.w.w, p.z.w - p.z.z, -2.0 * p.z.w)


## How a picture seen by [param now] is found in the one seen by [param before]: both as [method of] gives them.
static func reprojection(now: Dictionary, before: Dictionary) -> Reprojection:
	return Reprojection.new(now["view"], now["projection"], before["view"], before["projection"])


## World to view: the inverse of a rigid [param transform].
static func _view(transform: Transform3D) -> PackedFloat64Array:
	var at: Vector3 = transform.origin
	var rows: PackedFloat64Array = []
	for axis: Vector3 in [transform.basis.x, transform.basis.y, transform.basis.z]:
		var away: float = axis.x * at.x + axis.y * at.y + axis.z * at.z
		rows.append_array([axis.x, axis.y, axis.z, -away])
	rows.append_array([0.0, 0.0, 0.0, 1.0])
	return rows


static func _rows(projection: Projection) -> PackedFloat64Array:
	var rows: PackedFloat64Array = []
	for row: int in 4:
		for column: int in 4:
			rows.append(projection[column][row])
	return rows
