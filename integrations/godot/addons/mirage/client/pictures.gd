@tool
extends RefCounted
## Colour planes to pictures and back: raw, or as JPEG.


## Return the picture of a colour plane, or a [MirageError]. Rows that are padded or upside down cannot be: results have
## none (SPEC.md section 4.5).
static func image_of(plane: Dictionary) -> Variant:
	var width: int = plane["width"]
	var height: int = plane["height"]
	var data: PackedByteArray = plane["data"]
	match plane["format"]:
		"rgba8":
			return Image.create_from_data(width, height, false, Image.FORMAT_RGBA8, data)
		"rgb8":
			return Image.create_from_data(width, height, false, Image.FORMAT_RGB8, data)
		"jpeg":
			return _unpacked(data, width, height)
	return MirageError.new(&"unsupported", "a result of format %s cannot be shown" % plane["format"])


## Return a colour plane as a JPEG of [param quality] 1 to 100.
static func packed(plane: Dictionary, quality: int) -> Dictionary:
	var image: Image = image_of(plane)
	var data: PackedByteArray = image.save_jpg_to_buffer(quality / 100.0)
	return {"format": "jpeg", "width": plane["width"], "height": plane["height"], "data": data}


static func _unpacked(data: PackedByteArray, width: int, height: int) -> Variant:
	var image: Image = Image.new()
	# Godot prints an error for what is no JPEG at all; its first bytes tell before.
	if data.size() < 4 or data[0] != 0xff or data[1] != 0xd8 or image.load_jpg_from_buffer(data) != OK:
		return MirageError.new(&"unsupported", "the JPEG of a result cannot be read")
	if image.get_width() != width or image.get_height() != height:
		return MirageError.new(&"unsupported", "the JPEG of a result is not of the size that it says")
	return image
