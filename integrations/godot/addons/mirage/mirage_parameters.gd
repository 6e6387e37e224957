@tool
class_name MirageParameters
extends "parameter_set.gd"
## The controls of a stream, as the inspector shows them. A change acts on the daemon at once.
##
## Generated from the protocol's parameter table by integrations/generate.py: do not edit.

## Every parameter as the protocol declares it (SPEC.md section 6): its type, default and bounds.
const TABLE: Dictionary[StringName, Dictionary] = {
	&"prompt": {"type": "text", "default": "oil painting", "unit": "", "max_length": 1000},
	&"prompts": {"type": "blend", "default": [], "unit": "", "minimum": 0.0, "maximum": 1000.0, "max_length": 1000, "max_items": 8},
	&"negative_prompt": {"type": "text", "default": "", "unit": "", "max_length": 1000},
	&"guidance": {"type": "float", "default": 1.0, "unit": "", "clip": true, "minimum": 1.0, "maximum": 10.0},
	&"strength": {"type": "float", "default": 1.0, "unit": "", "clip": true, "minimum": 0.0, "maximum": 1.0},
	&"coherence": {"type": "float", "default": 1.0, "unit": "", "clip": true, "minimum": 0.0, "maximum": 1.0},
	&"steps": {"type": "integer", "default": 1, "unit": "", "clip": true, "minimum": 1, "maximum": 4},
	&"seed": {"type": "integer", "default": 0, "unit": "", "minimum": 0, "maximum": 2147483647},
	&"mask_ids": {"type": "integers", "default": [], "unit": "", "minimum": 0, "maximum": 4294967295, "max_items": 64},
	&"transition": {"type": "float", "default": 0.0, "unit": "s", "clip": true, "minimum": 0.0, "maximum": 60.0},
}

## What the picture should become, in words: a look and how it feels.
@export_multiline var prompt: String = "oil painting":
	set(value):
		prompt = _kept(&"prompt", value)
		_tell(&"prompt")
## Several prompts at once, each with its weight beside the others; with none, the prompt alone.
@export var prompts: Dictionary[String, float] = {}:
	set(value):
		prompts = _kept(&"prompts", value)
		_tell(&"prompts")
## What the picture should not become, where guidance is above 1. For Stable Diffusion.
@export_multiline var negative_prompt: String = "":
	set(value):
		negative_prompt = _kept(&"negative_prompt", value)
		_tell(&"negative_prompt")
## How far the picture is led from the negative prompt: 1 is the prompt alone. For Stable Diffusion.
@export_range(1.0, 10.0, 0.001) var guidance: float = 1.0:
	set(value):
		guidance = _kept(&"guidance", value)
		_tell(&"guidance")
## How much of the look is applied: 0 gives the source back, 1 the full look.
@export_range(0.0, 1.0, 0.001) var strength: float = 1.0:
	set(value):
		strength = _kept(&"strength", value)
		_tell(&"strength")
## How much of the last frame is remembered: 0 transforms each frame alone, with texture fixed to the screen.
@export_range(0.0, 1.0, 0.001) var coherence: float = 1.0:
	set(value):
		coherence = _kept(&"coherence", value)
		_tell(&"coherence")
## Denoising steps a frame: more cost more time and refine the picture.
@export_range(1, 4, 1) var steps: int = 1:
	set(value):
		steps = _kept(&"steps", value)
		_tell(&"steps")
## Which texture is generated: the same seed and frames give the same pictures.
@export_range(0, 2147483647, 1) var seed: int = 0:
	set(value):
		seed = _kept(&"seed", value)
		_tell(&"seed")
## Objects that stay as they were rendered, such as an interface: their numbers in the frame's plane `ids`.
@export var mask_ids: PackedInt64Array = []:
	set(value):
		mask_ids = _kept(&"mask_ids", value)
		_tell(&"mask_ids")
## How long a change of prompts, strength or seed takes; 0 changes with the next frame.
@export_range(0.0, 60.0, 0.001, "suffix:s") var transition: float = 0.0:
	set(value):
		transition = _kept(&"transition", value)
		_tell(&"transition")

func _table() -> Dictionary[StringName, Dictionary]:
	return TABLE
