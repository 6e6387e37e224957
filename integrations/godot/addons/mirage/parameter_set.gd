@tool
extends Resource
## What every set of parameters does, whichever there are: keeps values in their ranges and tells of changes.

## A parameter was given another value here: by a script, or in the inspector. [param value] is as the protocol has it.
signal parameter_changed(name: StringName, value: Variant)

var _quiet: bool = false


## Every parameter's value as the protocol has it: text, numbers, arrays of numbers, and for a blend an array of
## [code]{"text", "weight"}[/code].
func to_dictionary() -> Dictionary[StringName, Variant]:
	var values: Dictionary[StringName, Variant] = {}
	for name: StringName in _table():
		values[name] = _as_protocol(get(name))
	return values


## The values that are not their parameter's default.
func chosen() -> Dictionary[StringName, Variant]:
	var values: Dictionary[StringName, Variant] = to_dictionary()
	for name: StringName in _table():
		if values[name] == _table()[name]["default"]:
			values.erase(name)
	return values


## Take values as the protocol has them without telling anybody: they come from the daemon. Names that are not known
## here, and values of another type, are passed over.
func take(values: Dictionary) -> void:
	_quiet = true
	for name: StringName in _table():
		if values.has(name) and values[name] != null:
			var value: Variant = _as_property(name, values[name])
			if value != null:
				set(name, value)
	_quiet = false
	emit_changed()


## The generated table; the class that has the properties says which.
func _table() -> Dictionary[StringName, Dictionary]:
	return {}


## A number brought into its range, as the inspector does; everything else as it is.
func _kept(name: StringName, value: Variant) -> Variant:
	var entry: Dictionary = _table()[name]
	if value is float or value is int:
		return clamp(value, entry["minimum"], entry["maximum"])
	return value


func _tell(name: StringName) -> void:
	if _quiet:
		return
	parameter_changed.emit(name, _as_protocol(get(name)))
	emit_changed()


static func _as_protocol(value: Variant) -> Variant:
	if value is Dictionary:
		var blend: Array = []
		for text: String in value:
			blend.append({"text": text, "weight": value[text]})
		return blend
	return Array(value) if value is PackedInt64Array else value


func _as_property(name: StringName, value: Variant) -> Variant:
	match _table()[name]["type"]:
		"text":
			return value if value is String else null
		"float":
			return float(value) if value is float or value is int else null
		"integer":
			return value if value is int else null
		"integers":
			return PackedInt64Array(value) if value is Array else null
		"blend":
			return _blend(value) if value is Array else null
	return null


static func _blend(items: Array) -> Dictionary[String, float]:
	var blend: Dictionary[String, float] = {}
	for item: Variant in items:
		if item is Dictionary and item.get("text") is String:
			blend[item["text"]] = blend.get(item["text"], 0.0) + float(item.get("weight", 0.0))
	return blend
