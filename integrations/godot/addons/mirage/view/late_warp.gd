extends RefCounted
## Tells the late warp (late_warp.gdshader) what the two cameras see.

const CameraData := preload("../capture/camera_data.gd")


## A material with the shader, which does not warp until [method aim] was called.
static func material() -> ShaderMaterial:
	var made: ShaderMaterial = ShaderMaterial.new()
	made.shader = preload("late_warp.gdshader")
	return made


## Warp from the picture seen by [param then] to what [param now] sees: both as [code]capture/camera_data.gd[/code] gives
## them. To be called for every frame; what the cameras see must have been captured with the same settings.
static func aim(target: ShaderMaterial, now: Dictionary, then: Dictionary) -> void:
	var way: CameraData.Reprojection = CameraData.reprojection(now, then)
	target.set_shader_parameter(&"reprojection", way.matrix)
	target.set_shader_parameter(&"depth_row", way.depth_row)
	target.set_shader_parameter(&"scale", way.scale)
	target.set_shader_parameter(&"far", now["far"])
	target.set_shader_parameter(&"warp", true)


## Show the result as it is.
static func rest(target: ShaderMaterial) -> void:
	target.set_shader_parameter(&"warp", false)


## The plane [code]depth[/code] of a frame as the texture [code]result_depth[/code]. Give back [param texture], the one
## made before, to have it filled again where the size allows.
static func depth_texture(plane: Dictionary, texture: ImageTexture = null) -> ImageTexture:
	var image: Image = Image.create_from_data(
		plane["width"], plane["height"], false, Image.FORMAT_RF, plane["data"]
	)
	if texture and Vector2i(texture.get_size()) == image.get_size() and texture.get_format() == Image.FORMAT_RF:
		texture.update(image)
		return texture
	return ImageTexture.create_from_image(image)
