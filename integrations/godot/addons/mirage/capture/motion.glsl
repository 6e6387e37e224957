#[compute]
#version 450
// Motion back to the last frame that was captured (SPEC.md section 5.3), added up from frame to frame.
layout(local_size_x = 8, local_size_y = 8) in;

layout(set = 0, binding = 0) uniform sampler2D metres;
layout(set = 0, binding = 1) uniform sampler2D velocity;
// Of the frame before: motion in pixels (x, y), one over the depth (z), and 1 where the motion is known (w).
layout(set = 0, binding = 2) uniform sampler2D before;
layout(set = 0, binding = 3, rgba32f) uniform restrict writeonly image2D after;
layout(set = 0, binding = 4, r32ui) uniform restrict writeonly uimage2D motion;
layout(push_constant, std430) uniform Parameters {
	mat4 reprojection; // to the frame before; see reprojection.gd
	vec2 scale;
	float goes_on; // 0: the frame before is the one that was captured, so nothing is added
} parameters;

const uint UNKNOWN = 0x7e007e00u; // two halves that are no number
// How much the depth of one place may differ from one frame to the next, as a share.
const float SAME = 0.2;

// The motion of a world at rest: what the renderer's own buffer has none of, as for the sky.
vec2 by_camera(vec2 place, vec2 size, float nearness, out bool known) {
	vec2 ndc = vec2(place.x / size.x * 2.0 - 1.0, 1.0 - place.y / size.y * 2.0);
	// An orthogonal camera has no place at an infinite distance.
	float at = max(nearness, parameters.scale.x == 0.0 ? 1e-4 : 0.0);
	float w = parameters.scale.x + parameters.scale.y * at;
	vec4 clip = parameters.reprojection * vec4(ndc * w, 1.0, at);
	known = clip.w > 0.0;
	vec2 was = clip.xy / max(clip.w, 1e-12);
	return vec2(was.x - ndc.x, ndc.y - was.y) * size * 0.5;
}

// The motion of the frame before at this place, smoothly, of what belongs to the same surface. What was hidden then has no
// history: what is remembered there is another surface's.
vec2 earlier(vec2 at, float nearness, ivec2 size, out bool known) {
	vec2 corner = floor(at - 0.5);
	vec2 share = at - 0.5 - corner;
	vec3 sum = vec3(0.0);
	for (int i = 0; i < 4; i++) {
		ivec2 step = ivec2(i & 1, i >> 1);
		ivec2 from = ivec2(corner) + step;
		bool inside = all(greaterThanEqual(from, ivec2(0))) && all(lessThan(from, size));
		vec4 texel = texelFetch(before, clamp(from, ivec2(0), size - 1), 0);
		bool same = abs(texel.z - nearness) <= SAME * max(texel.z, nearness);
		vec2 weights = mix(1.0 - share, share, vec2(step));
		sum += inside && same && texel.w > 0.5 ? vec3(texel.xy, 1.0) * weights.x * weights.y : vec3(0.0);
	}
	known = sum.z > 0.2;
	return sum.xy / max(sum.z, 1e-6);
}

void main() {
	ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
	ivec2 size = imageSize(motion);
	if (any(greaterThanEqual(pixel, size))) {
		return;
	}
	vec2 place = vec2(pixel) + 0.5;
	float depth = texelFetch(metres, pixel, 0).r;
	float nearness = depth < 3e38 ? 1.0 / max(depth, 1e-6) : 0.0;
	bool known = true;
	vec2 back;
	if (nearness > 0.0) {
		ivec2 sample_place = ivec2(place * vec2(textureSize(velocity, 0)) / vec2(size));
		back = texelFetch(velocity, sample_place, 0).xy * vec2(size);
	} else {
		back = by_camera(place, vec2(size), nearness, known);
	}
	if (parameters.goes_on > 0.5) {
		bool remembered;
		back += earlier(place + back, nearness, size, remembered);
		known = known && remembered;
	}
	imageStore(after, pixel, vec4(known ? back : vec2(0.0), nearness, known ? 1.0 : 0.0));
	imageStore(motion, pixel, uvec4(known ? packHalf2x16(back) : UNKNOWN));
}
