extends RefCounted
## Where a point that one camera sees is in the picture of another.
##
## A pixel at x and y (-1 to 1, y up) and a depth of z metres is the vector q = (x w, y w, 1, 1 / z), where
## w = [member scale].x + [member scale].y / z. So the sky, infinitely far away, is an ordinary point with 1 / z = 0.
## [member matrix] times q is its place in the other camera's clip space, divided by z.

## From q to the other camera's clip space.
var matrix: Projection
## The dot product with q is the depth that the other camera sees, divided by z.
var depth_row: Vector4
## What w is made of: 1 and 0 for a perspective camera, 0 and 1 for an orthogonal one.
var scale: Vector2


## Views and projections are 16 numbers each, row by row (SPEC.md section 5.6); views must be rigid.
func _init(
	view: PackedFloat64Array,
	projection: PackedFloat64Array,
	other_view: PackedFloat64Array,
	other_projection: PackedFloat64Array
) -> void:
	var across: PackedFloat64Array = _product(_between(view, other_view), _unproject(projection))
	matrix = _columns(_product(other_projection, across))
	depth_row = -Vector4(across[8], across[9], across[10], across[11])
	scale = Vector2(-projection[14], projection[15])


## From [param view]'s space to [param other]'s. The world's origin cancels out, so that nothing trembles far from it.
static func _between(view: PackedFloat64Array, other: PackedFloat64Array) -> PackedFloat64Array:
	var result: PackedFloat64Array = []
	result.resize(16)
	for row: int in 3:
		var shift: float = other[row * 4 + 3]
		for column: int in 3:
			var turned: float = 0.0
			for k: int in 3:
				turned += other[row * 4 + k] * view[column * 4 + k]
			result[row * 4 + column] = turned
			shift -= turned * view[column * 4 + 3]
		result[row * 4 + 3] = shift
	result[15] = 1.0
	return result


## From q to view space, divided by z.
static func _unproject(projection: PackedFloat64Array) -> PackedFloat64Array:
	var x: float = 1.0 / projection[0]
	var y: float = 1.0 / projection[5]
	return [
		x, 0.0, projection[2] * x, -projection[3] * x,
		0.0, y, projection[6] * y, -projection[7] * y,
		0.0, 0.0, -1.0, 0.0,
		0.0, 0.0, 0.0, 1.0,
	]


static func _product(a: PackedFloat64Array, b: PackedFloat64Array) -> PackedFloat64Array:
	var result: PackedFloat64Array = []
	result.resize(16)
	for row: int in 4:
		for column: int in 4:
			var sum: float = 0.0
			for k: int in 4:
				sum += a[row * 4 + k] * b[k * 4 + column]
			result[row * 4 + column] = sum
	return result


static func _columns(m: PackedFloat64Array) -> Projection:
	return Projection(
		Vector4(m[0], m[4], m[8], m[12]),
		Vector4(m[1], m[5], m[9], m[13]),
		Vector4(m[2], m[6], m[10], m[14]),
		Vector4(m[3], m[7], m[11], m[15])
	)
