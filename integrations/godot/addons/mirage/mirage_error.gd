@tool
class_name MirageError
extends RefCounted
## What is wrong with a message, a connection or an answer: a code, one line for a person, and the field at fault.

## One of the codes of the protocol (SPEC.md section 8), or one that this client says itself: [code]unreachable[/code],
## [code]disconnected[/code].
var code: StringName
## One line for a person: what is wrong and, where that is known, what to do.
var message: String
## The path of the field at fault, as [code]planes.color.width[/code]; empty for the message as a whole.
var field: String


func _init(a_code: StringName, a_message: String, a_field: String = "") -> void:
	code = a_code
	message = a_message
	field = a_field


func _to_string() -> String:
	return "%s: %s" % [code, message]
