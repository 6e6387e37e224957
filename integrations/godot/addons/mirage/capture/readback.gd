extends RefCounted
## Planes of one frame that are on their way from the graphics card. Belongs on the render thread.
##
## It lives until the last of them has arrived, whoever lets go of it before.

const Inbox := preload("inbox.gd")

## The frame that they belong to.
var id: int
## What has arrived: a map from a plane's name to a map of [code]format[/code], [code]width[/code], [code]height[/code]
## and [code]data[/code].
var planes: Dictionary = {}
## The frame that the plane [code]motion[/code] points back to, or -1.
var motion_from: int = -1
## Why there is nothing, or empty.
var problem: String = ""

var _inbox: Inbox
var _waiting: int = 1


## This object goes into [param inbox] once, when all planes have arrived.
func _init(an_id: int, inbox: Inbox) -> void:
	id = an_id
	_inbox = inbox


## Ask for [param texture], whose pixels have the protocol's [param format]. One that cannot be read is left out.
func add(device: RenderingDevice, plane: String, format: String, texture: RID, size: Vector2i) -> void:
	_waiting += 1
	# The bound reference to this object keeps it alive: a callable by itself does not.
	var error: Error = device.texture_get_data_async(texture, 0, _arrived.bind(plane, format, size, self))
	if error != OK:
		_one_less()


## Put in what was read already.
func put(plane: String, format: String, data: PackedByteArray, size: Vector2i) -> void:
	planes[plane] = {"format": format, "width": size.x, "height": size.y, "data": data}


## Say that no more planes will be asked for.
func close() -> void:
	_one_less()


func _arrived(data: PackedByteArray, plane: String, format: String, size: Vector2i, _alive: RefCounted) -> void:
	put(plane, format, data, size)
	_one_less()


func _one_less() -> void:
	_waiting -= 1
	if _waiting == 0:
		_inbox.put(self)
		_inbox = null # or each would hold the other for ever
