@tool
extends RefCounted
## Checks of the fields of a message: each takes a value that came out of MessagePack and returns it as the message
## keeps it, or a [MirageError].
##
## An error's [member MirageError.field] is the path below the value, and its message goes on after the whole path: only
## [code]explained[/code] puts the two together, so that nothing is put together where nothing is wrong.

const Reader := preload("messagepack_reader.gd")

const MAX_SAFE_INTEGER: int = (1 << 53) - 1
const MAX_TEXT: int = 8_192

const KINDS: Dictionary[int, String] = {
	TYPE_NIL: "nil",
	TYPE_BOOL: "a boolean",
	TYPE_INT: "an integer",
	TYPE_FLOAT: "a float",
	TYPE_STRING: "a string",
	TYPE_PACKED_BYTE_ARRAY: "binary",
	TYPE_ARRAY: "an array",
	TYPE_DICTIONARY: "a map",
	TYPE_OBJECT: "an integer",  # one that is too large for an int
}


## The base of all checks: lets every value pass, but for integers that are too large for an int, which become floats.
class Check:
	extends RefCounted

	## Return [param value] as the message keeps it, or a [MirageError].
	func take(value: Variant) -> Variant:
		match typeof(value):
			TYPE_OBJECT:
				return (value as Reader.Huge).value
			TYPE_ARRAY:
				var array: Array = value
				for index: int in array.size():
					array[index] = take(array[index])
			TYPE_DICTIONARY:
				var map: Dictionary = value
				for key: String in map:
					map[key] = take(map[key])
		return value

	## The error of a value that is not what was asked for.
	func wrong_type(expected: String, value: Variant) -> MirageError:
		return MirageError.new(&"wrong-type", "must be %s, not %s" % [expected, KINDS[typeof(value)]])

	## The error of a value outside its range.
	func out_of_range(problem: String) -> MirageError:
		return MirageError.new(&"out-of-range", problem)

	## Return [param error] as one of what is around the value: [param name] stands before its path.
	static func inside(name: String, error: MirageError) -> MirageError:
		error.field = name if error.field == "" else "%s.%s" % [name, error.field]
		return error

	## Return [param error] with a message that says which field it is about.
	static func explained(error: MirageError) -> MirageError:
		error.message = "%s %s" % [error.field, error.message]
		return error

	## The error of a field that is not there.
	static func missing(name: String) -> MirageError:
		return MirageError.new(&"missing-field", "is missing", name)


## A whole number between two bounds, both included.
class Integer:
	extends Check

	var _minimum: int
	var _maximum: int

	func _init(minimum: int = 0, maximum: int = MAX_SAFE_INTEGER) -> void:
		_minimum = minimum
		_maximum = maximum

	func take(value: Variant) -> Variant:
		if value is int and value >= _minimum and value <= _maximum:
			return value
		if not value is int and not value is Object:
			return wrong_type("an integer", value)
		return out_of_range("must be %d to %d" % [_minimum, _maximum])


## A finite number (an integer serves) between two bounds, both included; kept as a float.
class Number:
	extends Check

	var _minimum: float
	var _maximum: float

	func _init(minimum: float = -INF, maximum: float = INF) -> void:
		_minimum = minimum
		_maximum = maximum

	func take(value: Variant) -> Variant:
		if not (value is float or value is int or value is Object):
			return wrong_type("a number", value)
		var number: float = (value as Reader.Huge).value if value is Object else float(value)
		if is_finite(number) and number >= _minimum and number <= _maximum:
			return number
		return out_of_range("must be a finite number, %s to %s, not %s" % [_minimum, _maximum, number])


## A boolean.
class Flag:
	extends Check

	func take(value: Variant) -> Variant:
		return value if value is bool else wrong_type("a boolean", value)


## A string of bounded length, in characters.
class Text:
	extends Check

	var _limit: int

	func _init(limit: int = MAX_TEXT) -> void:
		_limit = limit

	func take(value: Variant) -> Variant:
		if not value is String:
			return wrong_type("a string", value)
		if (value as String).length() > _limit:
			return out_of_range("must have at most %d characters" % _limit)
		return value


## One of a few strings.
class Choice:
	extends Check

	var _choices: PackedStringArray

	func _init(choices: PackedStringArray) -> void:
		_choices = choices

	func take(value: Variant) -> Variant:
		if not value is String:
			return wrong_type("a string", value)
		if not value in _choices:
			return out_of_range("must be one of %s; not '%s'" % [", ".join(_choices), str(value).left(40)])
		return value


## Bytes of one length.
class Binary:
	extends Check

	var _size: int

	func _init(size: int) -> void:
		_size = size

	func take(value: Variant) -> Variant:
		if not value is PackedByteArray:
			return wrong_type("binary", value)
		if (value as PackedByteArray).size() != _size:
			return out_of_range("must have %d bytes, not %d" % [_size, (value as PackedByteArray).size()])
		return value


## An array whose every item passes a check; of [code]length[/code] items, if that is not negative.
class ListOf:
	extends Check

	var _item: Check
	var _length: int

	func _init(item: Check, length: int = -1) -> void:
		_item = item
		_length = length

	func take(value: Variant) -> Variant:
		if not value is Array:
			return wrong_type("an array", value)
		var array: Array = value
		if _length >= 0 and array.size() != _length:
			return out_of_range("must have %d items, not %d" % [_length, array.size()])
		for index: int in array.size():
			var taken: Variant = _item.take(array[index])
			if taken is MirageError:
				return inside(str(index), taken)
			array[index] = taken
		return array


## A map whose every value passes a check.
class MapOf:
	extends Check

	var _item: Check

	func _init(item: Check) -> void:
		_item = item

	func take(value: Variant) -> Variant:
		if not value is Dictionary:
			return wrong_type("a map", value)
		var map: Dictionary = value
		for key: String in map:
			var taken: Variant = _item.take(map[key])
			if taken is MirageError:
				return inside(key, taken)
			map[key] = taken
		return map
