#[compute]
#version 450
// Normals in view space as bytes (SPEC.md section 5.4); where nothing was drawn all three are 80.
layout(local_size_x = 8, local_size_y = 8) in;

layout(set = 0, binding = 0) uniform sampler2D normal_roughness;
layout(set = 0, binding = 1) uniform sampler2D metres;
layout(set = 0, binding = 2, rgba8) uniform restrict writeonly image2D normals;

void main() {
	ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
	ivec2 size = imageSize(normals);
	if (any(greaterThanEqual(pixel, size))) {
		return;
	}
	ivec2 place = ivec2((vec2(pixel) + 0.5) * vec2(textureSize(normal_roughness, 0)) / vec2(size));
	vec3 normal = texelFetch(normal_roughness, place, 0).xyz * 2.0 - 1.0;
	bool drawn = texelFetch(metres, pixel, 0).r < 3e38 && dot(normal, normal) > 0.01;
	normal = drawn ? normalize(normal) : vec3(0.0);
	imageStore(normals, pixel, vec4(floor((normal * 0.5 + 0.5) * 255.0 + 0.5) / 255.0, 1.0));
}
