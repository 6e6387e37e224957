extends RefCounted
## The textures that depth, motion and normals are written into. Belongs on the render thread.

## Depth in metres: one 32-bit float a pixel.
var metres: RID
## Motion as the protocol has it: two halves in one 32-bit integer.
var motion: RID
## Motion so far, with the depth and whether it is known: four 32-bit floats; see motion.glsl.
var moved: RID
## [member moved] of the frame before.
var moved_before: RID
## Normals as the protocol has them.
var normals: RID
## The size of all of them.
var size: Vector2i

var _device: RenderingDevice


func _init(device: RenderingDevice) -> void:
	_device = device


## Make all textures anew. Returns the old [member metres], which the caller frees: it may still be read elsewhere.
func resize(new_size: Vector2i) -> RID:
	var old: RID = metres
	metres = RID()
	close()
	size = new_size
	metres = _texture(RenderingDevice.DATA_FORMAT_R32_SFLOAT)
	motion = _texture(RenderingDevice.DATA_FORMAT_R32_UINT)
	moved = _texture(RenderingDevice.DATA_FORMAT_R32G32B32A32_SFLOAT)
	moved_before = _texture(RenderingDevice.DATA_FORMAT_R32G32B32A32_SFLOAT)
	normals = _texture(RenderingDevice.DATA_FORMAT_R8G8B8A8_UNORM)
	return old


## Let [member moved] be written again and be read as [member moved_before].
func swap() -> void:
	var newest: RID = moved
	moved = moved_before
	moved_before = newest


## Free them all.
func close() -> void:
	for texture: RID in [metres, motion, moved, moved_before, normals]:
		if texture.is_valid():
			_device.free_rid(texture)
	metres = RID()
	motion = RID()
	moved = RID()
	moved_before = RID()
	normals = RID()
	size = Vector2i.ZERO


func _texture(format: RenderingDevice.DataFormat) -> RID:
	var wanted: RDTextureFormat = RDTextureFormat.new()
	wanted.format = format
	wanted.width = size.x
	wanted.height = size.y
	wanted.usage_bits = (
		RenderingDevice.TEXTURE_USAGE_STORAGE_BIT
		| RenderingDevice.TEXTURE_USAGE_SAMPLING_BIT
		| RenderingDevice.TEXTURE_USAGE_CAN_COPY_FROM_BIT
	)
	return _device.texture_create(wanted, RDTextureView.new())
