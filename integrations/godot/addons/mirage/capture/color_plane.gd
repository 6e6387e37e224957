extends RefCounted
## A viewport's picture, read back without a stall, in the renderers that have a rendering device. Belongs on the render
## thread.

const ComputePass := preload("compute_pass.gd")
const Readback := preload("readback.gd")

const _LINEAR: Array[RenderingDevice.DataFormat] = [
	RenderingDevice.DATA_FORMAT_R16G16B16A16_SFLOAT,
	RenderingDevice.DATA_FORMAT_R32G32B32A32_SFLOAT,
]

var _device: RenderingDevice = RenderingServer.get_rendering_device()
var _pass: ComputePass
var _bytes: RID
var _size: Vector2i


## Read [param viewport]'s picture into [param readback] as the plane [code]color[/code]. With [param at_once] this waits
## until all that was asked for has arrived.
func read(viewport: RID, readback: Readback, at_once: bool) -> void:
	var picture: RID = RenderingServer.texture_get_rd_texture(RenderingServer.viewport_get_texture(viewport))
	if picture.is_valid():
		var kept: RDTextureFormat = _device.texture_get_format(picture)
		_fit(Vector2i(kept.width, kept.height))
		var linear: float = 1.0 if kept.format in _LINEAR else 0.0
		_pass.run([picture], [_bytes], PackedFloat32Array([linear, 0.0, 0.0, 0.0]).to_byte_array(), _size)
		if at_once:
			readback.put("color", "rgba8", _device.texture_get_data(_bytes, 0), _size)
		else:
			readback.add(_device, "color", "rgba8", _bytes, _size)
	readback.close()


## Wait until all that was asked for has arrived, of other planes too, and free everything.
func close() -> void:
	if _bytes.is_valid():
		_device.texture_get_data(_bytes, 0) # Godot crashes if it ends before an answer has come
		_device.free_rid(_bytes)
	_bytes = RID()
	_size = Vector2i.ZERO
	if _pass:
		_pass.close()
	_pass = null


func _fit(size: Vector2i) -> void:
	if _pass == null:
		_pass = ComputePass.new(_device, preload("color.glsl"))
	if size == _size:
		return
	if _bytes.is_valid():
		_device.free_rid(_bytes)
	_size = size
	var wanted: RDTextureFormat = RDTextureFormat.new()
	wanted.format = RenderingDevice.DATA_FORMAT_R8G8B8A8_UNORM
	wanted.width = size.x
	wanted.height = size.y
	wanted.usage_bits = (
		RenderingDevice.TEXTURE_USAGE_STORAGE_BIT | RenderingDevice.TEXTURE_USAGE_CAN_COPY_FROM_BIT
	)
	_bytes = _device.texture_create(wanted, RDTextureView.new())
