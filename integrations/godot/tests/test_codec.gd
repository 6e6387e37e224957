extends "harness.gd"
## Every vector of the protocol, both directions, and what the reference makes of damaged bytes.
##
## Arguments: [code]vectors[/code], the folder of the vectors; [code]outcomes[/code], a file with damaged messages.

const Codec := preload("res://addons/mirage/protocol/codec.gd")

## What is in a vector's meaning but not in the pixels themselves.
const CONTEXT: Array[String] = ["world", "tolerance", "moved_right", "moved_down"]


func test_messages_of_clients() -> void:
	for vector: Dictionary in _read("client"):
		_check_message("client", vector)


func test_messages_of_servers() -> void:
	for vector: Dictionary in _read("server"):
		_check_message("server", vector)


func test_malformed_messages() -> void:
	for vector: Dictionary in _read("malformed"):
		equal(_error(vector["bytes"], vector["direction"]), vector["error"], vector["name"])


func test_damaged_messages_are_judged_as_the_reference_does() -> void:
	var outcomes: Array = JSON.parse_string(FileAccess.get_file_as_string(arguments["outcomes"]))
	check(outcomes.size() > 0, "there are no outcomes")
	for outcome: Dictionary in outcomes:
		equal(_error(outcome["bytes"], outcome["direction"]), outcome["error"], outcome["bytes"])


func test_conventions() -> void:
	for vector: Dictionary in _read("conventions"):
		_check_message("client", vector)
		var message: Dictionary = Codec.decode(Marshalls.base64_to_raw(vector["bytes"]), "client")
		if "pixel" in vector:
			var pixel: String = vector["pixel"]
			var data: PackedByteArray = message["planes"][vector["name"]]["data"]
			equal(data.slice(0, pixel.length() / 2).hex_encode(), pixel, "the pixel of section " + vector["section"])
		for name: String in vector["meaning"]:
			if name not in CONTEXT:
				var meant: bool = _means(name, message, vector["meaning"])
				check(meant, "section %s: %s is not as meant" % [vector["section"], name])


func test_values_that_are_sent_are_those_that_were_meant() -> void:
	# What a client of this language may hand over beside what messages are decoded to.
	var message: Dictionary = {
		"type": "set", "request": 1, "left_out": null,
		"parameters": {
			&"prompt": &"ink", "seeds": PackedInt64Array([0, -1, -33, 127, 128, 65_535, 65_536, 1 << 40]),
			"matrix": PackedFloat64Array([0.5, -1.0]), "text": "é🌊", "long": "x".repeat(300), "nothing": null,
		},
	}
	var decoded: Dictionary = Codec.decode(Codec.encode(message), "client")
	equal(decoded, {
		"type": "set", "request": 1,
		"parameters": {
			"prompt": "ink", "seeds": [0, -1, -33, 127, 128, 65_535, 65_536, 1 << 40], "matrix": [0.5, -1.0],
			"text": "é🌊", "long": "x".repeat(300), "nothing": null,
		},
	}, "the message")


func test_planes_are_aligned_and_not_copied() -> void:
	var color: PackedByteArray = [1, 2, 3]
	var depth: PackedByteArray = [0, 0, 32, 64]
	var planes: Dictionary = {
		"color": {"format": "rgb8", "width": 1, "height": 1, "data": color},
		"depth": {"format": "r32f", "width": 1, "height": 1, "data": depth},
	}
	var pieces: Array[PackedByteArray] = Codec.encode_pieces({"type": "frame", "id": 1, "planes": planes})
	equal(pieces.size(), 4, "the number of pieces")
	equal(pieces[0].size() % 16, 0, "the header's size, modulo 16")
	equal(pieces[2].size(), 13, "the bytes between the planes")
	equal(pieces[1], color, "the first plane")
	equal(pieces[3], depth, "the last plane")


func test_a_header_over_its_limit_is_not_encoded() -> void:
	equal(Codec.encode({"type": "set", "request": 1, "text": "x".repeat(65_536)}), PackedByteArray(), "the message")


func test_errors_name_their_field_and_say_what_is_wrong() -> void:
	var planes: Dictionary = {"color": {"format": "rgb8", "width": 1, "height": 1, "data": PackedByteArray([1, 2])}}
	var error: MirageError = Codec.decode(Codec.encode({"type": "result", "id": 1, "planes": planes}))
	equal(error.message, "planes.color.size is 2, but rgb8 at 1x1 has 3 bytes", "the error")


func _check_message(sender: String, vector: Dictionary) -> void:
	var decoded: Variant = Codec.decode(Marshalls.base64_to_raw(vector["bytes"]), sender)
	if decoded is MirageError:
		check(false, "%s: %s (%s)" % [vector["name"], decoded, decoded.field])
		return
	_check_same(_written(decoded), vector["message"], vector["name"])
	var again: Variant = Codec.decode(Codec.encode(decoded), sender)
	check(not again is MirageError and again == decoded, vector["name"] + " is another message when encoded again")


func _check_same(actual: Variant, expected: Variant, name: String) -> void:
	check(_is_same(actual, expected), "%s is %s, not %s" % [name, JSON.stringify(actual), JSON.stringify(expected)])


## Equal, but that floats may differ in their last bit: Godot does not read the decimal numbers of JSON more exactly.
func _is_same(actual: Variant, expected: Variant) -> bool:
	if typeof(actual) != typeof(expected):
		return false
	match typeof(actual):
		TYPE_FLOAT:
			return absf(actual - expected) <= absf(expected) * 2.3e-16
		TYPE_ARRAY:
			return actual.size() == expected.size() and range(actual.size()).all(
				func(index: int) -> bool: return _is_same(actual[index], expected[index])
			)
		TYPE_DICTIONARY:
			return actual.size() == expected.size() and actual.keys().all(
				func(key: String) -> bool: return _is_same(actual[key], expected.get(key))
			)
	return actual == expected


func _read(name: String) -> Array:
	var text: String = FileAccess.get_file_as_string("%s/%s.json" % [arguments["vectors"], name])
	check(text != "", "there are no vectors in %s" % arguments["vectors"])
	return JSON.parse_string(text.replace("\\u0000", "\\ufffd"))  # Godot's strings cannot hold U+0000


## A value as the vectors write it: integers are text.
func _written(value: Variant) -> Variant:
	match typeof(value):
		TYPE_INT:
			return str(value)
		TYPE_PACKED_BYTE_ARRAY:
			return Marshalls.raw_to_base64(value)
		TYPE_ARRAY:
			return value.map(_written)
		TYPE_DICTIONARY:
			var written: Dictionary = {}
			for key: String in value:
				written[key] = _written(value[key])
			return written
	return value


func _error(bytes: String, sender: String) -> Variant:
	var decoded: Variant = Codec.decode(Marshalls.base64_to_raw(bytes), sender)
	if not decoded is MirageError:
		return null
	var error: MirageError = decoded
	return {"code": String(error.code), "field": null if error.field == "" else error.field}


func _means(name: String, message: Dictionary, meaning: Dictionary) -> bool:
	var value: Variant = meaning[name]
	match name:
		"linear_rgb":
			return value.map(_srgb) == Array(_bytes(message, "color").slice(0, 3))
		"alpha":
			return roundi(value * 255.0) == _bytes(message, "color")[3]
		"metres":
			return _bytes(message, "depth").decode_float(0) == (INF if value is String else value)
		"motion":
			var x: float = _bytes(message, "motion").decode_half(0)
			var y: float = _bytes(message, "motion").decode_half(2)
			return is_nan(x) and is_nan(y) if value is String else [x, y] == value
		"normal":
			var stored: Array = value.map(func(each: float) -> int: return roundi((each * 0.5 + 0.5) * 255.0))
			return stored == Array(_bytes(message, "normal").slice(0, 3))
		"id":
			return _bytes(message, "ids").decode_u32(0) == int(value)
		"ndc":
			return _projects(message["camera"], meaning)
	var corners: Array[String] = ["top_left", "top_right", "bottom_left", "bottom_right"]
	var at: int = corners.find(name) * 3
	return at >= 0 and _bytes(message, "color").slice(at, at + 3).hex_encode() == value


func _bytes(message: Dictionary, plane: String) -> PackedByteArray:
	return message["planes"][plane]["data"]


func _srgb(light: float) -> int:
	return roundi(255.0 * (light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1.0 / 2.4) - 0.055))


func _projects(camera: Dictionary, meaning: Dictionary) -> bool:
	var world: Array = meaning["world"]
	var clip: Array = _times(camera["projection"], _times(camera["view"], world + [1.0]))
	for axis: int in 3:
		if absf(clip[axis] / clip[3] - float(meaning["ndc"][axis])) >= meaning["tolerance"]:
			return false
	return true


func _times(matrix: Array, vector: Array) -> Array:
	var product: Array = []
	for row: int in 4:
		var sum: float = 0.0
		for column: int in 4:
			sum += matrix[row * 4 + column] * float(vector[column])
		product.append(sum)
	return product
