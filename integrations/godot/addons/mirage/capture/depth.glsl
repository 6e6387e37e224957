#[compute]
#version 450
// The renderer's depth buffer in metres, of the frame's size; infinite where nothing was drawn.
layout(local_size_x = 8, local_size_y = 8) in;

layout(set = 0, binding = 0) uniform sampler2D raw;
layout(set = 0, binding = 1, r32f) uniform restrict writeonly image2D metres;
layout(push_constant, std430) uniform Parameters {
	vec4 terms;
} parameters;

void main() {
	ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
	ivec2 size = imageSize(metres);
	if (any(greaterThanEqual(pixel, size))) {
		return;
	}
	// The scene may be drawn smaller or larger than the frame (scaling_3d_scale).
	ivec2 place = ivec2((vec2(pixel) + 0.5) * vec2(textureSize(raw, 0)) / vec2(size));
	float depth = texelFetch(raw, place, 0).r;
	vec4 terms = parameters.terms;
	float far = (terms.x + terms.y * depth) / (terms.z + terms.w * depth);
	imageStore(metres, pixel, vec4(depth > 0.0 ? max(far, 0.0) : uintBitsToFloat(0x7f800000u)));
}
