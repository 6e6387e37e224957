#[compute]
#version 450
// A viewport's picture as sRGB bytes with full alpha, whatever format it is kept in.
layout(local_size_x = 8, local_size_y = 8) in;

layout(set = 0, binding = 0) uniform sampler2D picture;
layout(set = 0, binding = 1, rgba8) uniform restrict writeonly image2D color;
layout(push_constant, std430) uniform Parameters {
	vec4 linear; // x is 1 where the picture holds linear light
} parameters;

vec3 encoded(vec3 light) {
	vec3 low = light * 12.92;
	vec3 high = 1.055 * pow(light, vec3(1.0 / 2.4)) - 0.055;
	return mix(high, low, lessThanEqual(light, vec3(0.0031308)));
}

void main() {
	ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
	if (any(greaterThanEqual(pixel, imageSize(color)))) {
		return;
	}
	vec3 value = clamp(texelFetch(picture, pixel, 0).rgb, 0.0, 1.0);
	imageStore(color, pixel, vec4(parameters.linear.x > 0.5 ? encoded(value) : value, 1.0));
}
