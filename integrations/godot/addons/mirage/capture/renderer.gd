extends RefCounted
## What the renderer that runs can give.


const _NO_PIXELS: String = "nothing is drawn with --headless"


## Whether anything is drawn at all.
static func draws() -> bool:
	return DisplayServer.get_name() != "headless"


## Whether it has a compositor and a rendering device: Forward+ and Mobile.
static func has_compositor() -> bool:
	return RenderingServer.get_rendering_device() != null


## From the name of each plane to an empty string, or to the reason why there is none.
static func available() -> Dictionary[String, String]:
	if not draws():
		return {"color": _NO_PIXELS, "depth": _NO_PIXELS, "motion": _NO_PIXELS, "normal": _NO_PIXELS}
	var only: String = "only the renderer Forward+ has it"
	if RenderingServer.get_current_rendering_method() == "forward_plus":
		only = ""
	return {"color": "", "depth": "", "motion": only, "normal": only}


## Why what [param camera] shows in [param viewport] cannot be captured now, or an empty string. Both may be freed.
static func problem(viewport: Variant, camera: Variant) -> String:
	if not draws():
		return _NO_PIXELS
	if not is_instance_valid(viewport) or not is_instance_valid(camera):
		return "there is no viewport or no camera"
	if not viewport.is_inside_tree() or not camera.is_inside_tree():
		return "the viewport or the camera is not in the tree"
	if viewport.size.x <= 0 or viewport.size.y <= 0:
		return "the viewport has no size"
	if viewport.render_target_update_mode == SubViewport.UPDATE_DISABLED:
		return "the viewport is not drawn"
	if viewport.get_camera_3d() != camera:
		return "the camera is not the viewport's own"
	return ""
