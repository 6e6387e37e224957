@tool
class_name MirageResult
extends RefCounted
## One transformed frame, and what the daemon says of how it was made (SPEC.md section 4.5).

## The frame's own id, as [method MirageClient.send_frame] returned it.
var id: int
## The picture, of the frame's own size: RGBA8, or RGB8 where it came as JPEG or the frame had no alpha.
var image: Image
## Milliseconds from sending the frame until its result was in hand.
var latency: float
## Milliseconds that each stage took: [code]queue[/code], [code]preprocess[/code], [code]temporal[/code],
## [code]diffusion[/code], [code]render[/code] and others.
var timings: Dictionary
## The parameters as they were resolved for this frame, part of the way through a transition too.
var parameters: Dictionary
## How many frames of this source were dropped so far.
var dropped: int
## The share of this frame that was remembered from the frames before, 0 to 1.
var memory: float
## How often what is remembered began anew because of a cut.
var resets: int
## How many frames ago the one came that the picture shows: above 0 where the daemon batches the steps of frames.
var lag: int


## What a result message holds, and [param an_image] of its colour plane.
static func of(message: Dictionary, an_image: Image, a_latency: float) -> MirageResult:
	var result: MirageResult = MirageResult.new()
	result.id = message["id"]
	result.image = an_image
	result.latency = a_latency
	result.timings = message["timings"]
	result.parameters = message["parameters"]
	result.dropped = message["dropped"]
	result.memory = message["memory"]
	result.resets = message["resets"]
	result.lag = message["lag"]
	return result
