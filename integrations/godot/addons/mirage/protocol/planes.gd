@tool
extends RefCounted
## The pictures that a message carries: names, formats, sizes (SPEC.md section 5).
##
## A plane is a dictionary: [code]format[/code], [code]width[/code], [code]height[/code] and [code]data[/code]
## ([PackedByteArray]: rows of pixels), and [code]stride[/code] (bytes from row to row) and [code]bottom_up[/code] where
## rows do not simply follow one another from the top. One that was read from a header alone has [code]offset[/code] and
## [code]size[/code], where it lies in the payload, instead of [code]data[/code].

const Checks := preload("checks.gd")
const Check := Checks.Check

const ALIGNMENT: int = 16
const MAX_DIMENSION: int = 16_384
## Formats whose size follows from their shape; [code]jpeg[/code] is the one whose does not.
const BYTES_PER_PIXEL: Dictionary[String, int] = {"rgba8": 4, "rgb8": 3, "r32f": 4, "rg16f": 4, "r32u": 4}
## Bytes of one number of a pixel, of which a stride is a multiple.
const BYTES_PER_NUMBER: Dictionary[String, int] = {"rgba8": 1, "rgb8": 1, "r32f": 4, "rg16f": 2, "r32u": 4}
## The formats that each plane can have.
const FORMATS: Dictionary[String, Array] = {
	"color": ["rgba8", "rgb8", "jpeg"],
	"depth": ["r32f"],
	"motion": ["rg16f"],
	"normal": ["rgb8", "rgba8"],
	"ids": ["r32u"],
}

static var _number: Checks.Integer = Checks.Integer.new()
static var _dimension: Checks.Integer = Checks.Integer.new(1, MAX_DIMENSION)
static var _stride: Checks.Integer = Checks.Integer.new(1, (1 << 31) - 1)
static var _flag: Checks.Flag = Checks.Flag.new()
# What every description has, in the order in which it is checked.
static var _checks: Dictionary[String, Check] = {
	"format": Checks.Text.new(40),
	"width": _dimension,
	"height": _dimension,
	"offset": _number,
	"size": _number,
}


## Return [param size] rounded up to the alignment of planes, 16 bytes.
static func aligned(size: int) -> int:
	return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1)


## Return the header's description of [param planes] as they lie one after the other, each at its aligned offset.
static func described(planes: Dictionary) -> Dictionary:
	var description: Dictionary = {}
	var offset: int = 0
	for name: String in planes:
		var plane: Dictionary = planes[name]
		var size: int = (plane["data"] as PackedByteArray).size()
		var entry: Dictionary = {
			"format": plane["format"],
			"width": plane["width"],
			"height": plane["height"],
			"offset": offset,
			"size": size,
		}
		if plane.get("stride") != null:
			entry["stride"] = plane["stride"]
		if plane.get("bottom_up"):
			entry["bottom_up"] = true
		description[name] = entry
		offset = aligned(offset + size)
	return description


## Return the planes that a header describes, with their [code]offset[/code] and [code]size[/code] in a payload of
## [param payload_size] bytes, or a [MirageError]. Planes of unknown names are left out.
static func located(description: Variant, payload_size: int) -> Variant:
	if not description is Dictionary:
		return _number.wrong_type("a map", description)
	if description.get("color") == null:
		return Check.missing("color")
	var planes: Dictionary = {}
	for name: String in FORMATS:
		if description.get(name) == null:
			continue
		var plane: Variant = _plane(name, description[name], payload_size)
		if plane is MirageError:
			return Check.inside(name, plane)
		planes[name] = plane
	for name: String in planes:
		if not _is_fraction(planes[name], planes["color"]):
			return _disagreement(name, "is no whole fraction of the colour plane's size")
	return planes


static func _plane(name: String, value: Variant, payload_size: int) -> Variant:
	if not value is Dictionary:
		return _number.wrong_type("a map", value)
	for key: String in _checks:
		if value.get(key) == null:
			return Check.missing(key)
	var plane: Dictionary = {}
	for key: String in _checks:
		var taken: Variant = _checks[key].take(value[key])
		if taken is MirageError:
			return Check.inside(key, taken)
		if key == "format" and taken not in FORMATS[name]:
			var known: String = ", ".join(PackedStringArray(FORMATS[name]))
			return MirageError.new(&"unsupported", "must be one of %s; not '%s'" % [known, taken], key)
		plane[key] = taken
	var problem: MirageError = _add_rows(plane, value)
	if problem == null:
		problem = _misplaced(plane, payload_size)
	return plane if problem == null else problem


# Add how the rows lie, where they do not simply follow one another.
static func _add_rows(plane: Dictionary, value: Dictionary) -> MirageError:
	if value.get("stride") != null:
		var stride: Variant = _stride.take(value["stride"])
		if stride is MirageError:
			return Check.inside("stride", stride)
		if plane["format"] == "jpeg":
			return _disagreement("stride", "is there, but a JPEG has none")
		var row: int = _row(plane)
		var step: int = BYTES_PER_NUMBER[plane["format"]]
		if stride < row or stride % step != 0:
			return _disagreement("stride", "must be a multiple of %d from %d on, not %d" % [step, row, stride])
		if stride > row:
			plane["stride"] = stride
	if value.get("bottom_up") != null:
		var bottom_up: Variant = _flag.take(value["bottom_up"])
		if bottom_up is MirageError:
			return Check.inside("bottom_up", bottom_up)
		if bottom_up:
			plane["bottom_up"] = true
	return null


static func _misplaced(plane: Dictionary, payload_size: int) -> MirageError:
	var size: int = plane["size"]
	var offset: int = plane["offset"]
	var expected: int = size
	if plane["format"] != "jpeg":
		var row: int = _row(plane)
		expected = plane.get("stride", row) * (plane["height"] - 1) + row  # the last row is not padded
	if size != expected or size == 0:
		var shape: Array = [size, plane["format"], plane["width"], plane["height"], expected]
		return _disagreement("size", "is %d, but %s at %dx%d has %d bytes" % shape)
	if offset % ALIGNMENT != 0:
		return _disagreement("offset", "must be a multiple of %d" % ALIGNMENT)
	if offset + size > payload_size:
		return _disagreement("", "ends at byte %d of a payload of %d bytes" % [offset + size, payload_size])
	return null


static func _row(plane: Dictionary) -> int:
	return BYTES_PER_PIXEL[plane["format"]] * plane["width"]


static func _is_fraction(plane: Dictionary, color: Dictionary) -> bool:
	var width: int = plane["width"]
	var height: int = plane["height"]
	var factor: int = color["width"] / width
	return factor > 0 and width * factor == color["width"] and height * factor == color["height"]


static func _disagreement(field: String, problem: String) -> MirageError:
	return MirageError.new(&"plane-size", problem, field)
