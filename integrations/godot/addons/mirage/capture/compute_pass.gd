extends RefCounted
## One compute shader, ready to run over a picture. Everything here belongs on the render thread.

const TILE: int = 8

var _device: RenderingDevice
var _shader: RID
var _pipeline: RID
var _sampler: RID


## Compile [param file]; [method is_ready] says whether that went well.
func _init(device: RenderingDevice, file: RDShaderFile) -> void:
	_device = device
	_shader = device.shader_create_from_spirv(file.get_spirv())
	if _shader.is_valid():
		_pipeline = device.compute_pipeline_create(_shader)
		_sampler = device.sampler_create(RDSamplerState.new())


## Whether the shader can run here.
func is_ready() -> bool:
	return _pipeline.is_valid()


## Run once for each pixel of [param size]. The bindings are [param inputs] (sampled), then [param outputs] (written);
## [param parameters] is the push constant, a multiple of 16 bytes.
func run(inputs: Array[RID], outputs: Array[RID], parameters: PackedByteArray, size: Vector2i) -> void:
	var uniforms: Array[RDUniform] = []
	for texture: RID in inputs:
		uniforms.append(_uniform(uniforms.size(), texture, true))
	for texture: RID in outputs:
		uniforms.append(_uniform(uniforms.size(), texture, false))
	var bound: RID = UniformSetCacheRD.get_cache(_shader, 0, uniforms)
	var list: int = _device.compute_list_begin()
	_device.compute_list_bind_compute_pipeline(list, _pipeline)
	_device.compute_list_bind_uniform_set(list, bound, 0)
	if not parameters.is_empty():
		_device.compute_list_set_push_constant(list, parameters, parameters.size())
	var tiles: Vector2i = (size + Vector2i(TILE - 1, TILE - 1)) / TILE
	_device.compute_list_dispatch(list, tiles.x, tiles.y, 1)
	_device.compute_list_end()


## Free everything; the object is of no use afterwards.
func close() -> void:
	for part: RID in [_sampler, _pipeline, _shader]:
		if part.is_valid():
			_device.free_rid(part)
	_sampler = RID()
	_pipeline = RID()
	_shader = RID()


func _uniform(binding: int, texture: RID, sampled: bool) -> RDUniform:
	var uniform: RDUniform = RDUniform.new()
	uniform.binding = binding
	uniform.uniform_type = RenderingDevice.UNIFORM_TYPE_IMAGE
	if sampled:
		uniform.uniform_type = RenderingDevice.UNIFORM_TYPE_SAMPLER_WITH_TEXTURE
		uniform.add_id(_sampler)
	uniform.add_id(texture)
	return uniform
