@tool
extends RefCounted
## MessagePack as SPEC.md section 2 allows it, and no more.
##
## nil, booleans, integers, floats, strings, binary, arrays and maps are [code]null[/code], [bool], [int], [float],
## [String], [PackedByteArray], [Array] and [Dictionary]. An integer over 2^63 - 1 is a [code]Huge[/code]. U+0000, which
## a Godot string cannot hold, becomes U+FFFD.

const Reader := preload("messagepack_reader.gd")
const Writer := preload("messagepack_writer.gd")


## Return the bytes of [param value]. Typed and packed arrays are arrays, a [StringName] is a string; what MessagePack
## has no type for is nil.
static func pack(value: Variant) -> PackedByteArray:
	var writer: Writer = Writer.new()
	writer.put(value)
	return writer.bytes()


## Return the one value that the bytes from [param from] to [param to] are, or a [MirageError]
## ([code]malformed[/code]).
static func unpack(bytes: PackedByteArray, from: int, to: int) -> Variant:
	var reader: Reader = Reader.new(bytes, from, to)
	var value: Variant = reader.take(0)
	if reader.problem == "" and not reader.is_at_end():
		reader.problem = "there is something after the header's map"
	return value if reader.problem == "" else MirageError.new(&"malformed", reader.problem)
