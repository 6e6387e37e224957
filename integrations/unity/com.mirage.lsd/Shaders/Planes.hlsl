// The planes of a frame (SPEC.md section 5): colour as it is, depth in metres, and motion back to the last frame that was
// captured, added up from frame to frame.
#include "Common.hlsl"

// Where a pipeline's textures are found: under its own names, or under ours where it hands them over.
#if defined(MIRAGE_BUILTIN)
Texture2D _CameraDepthTexture;
Texture2D _CameraMotionVectorsTexture;
#define MIRAGE_DEPTH _CameraDepthTexture
#define MIRAGE_MOTION _CameraMotionVectorsTexture
#elif defined(MIRAGE_UNIVERSAL)
Texture2D _CameraDepthTexture;
Texture2D _MotionVectorTexture;
#define MIRAGE_DEPTH _CameraDepthTexture
#define MIRAGE_MOTION _MotionVectorTexture
#elif defined(MIRAGE_ARRAY)
Texture2DArray _MirageDepth;
Texture2DArray _MirageMotion;
#define MIRAGE_DEPTH _MirageDepth
#define MIRAGE_MOTION _MirageMotion
#else
Texture2D _MirageDepth;
Texture2D _MirageMotion;
#define MIRAGE_DEPTH _MirageDepth
#define MIRAGE_MOTION _MirageMotion
#endif

Texture2D _Source;
Texture2D _Metres;
Texture2D _Before; // of the frame before: motion in pixels (x, y), one over the depth (z), and 1 where the motion is known (w)
float4 _DepthTerms; // metres are (x + y d) / (z + w d)
float4 _FrameSize; // width and height in pixels; z is the depth buffer's value where nothing was drawn
float4 _Part; // the share of the pipeline's textures that the picture is in: they may be larger
float _GoesOn; // 0: the frame before is the one that was captured, so nothing is added

// How much the depth of one place may differ from one frame to the next, as a share.
static const float Same = 0.2;

#if defined(MIRAGE_ARRAY)
int4 PixelOf(Texture2DArray plane, float2 uv)
{
    float width, height, slices;
    plane.GetDimensions(width, height, slices);
    return int4(int2(uv * _Part.xy * float2(width, height)), 0, 0);
}
#else
int3 PixelOf(Texture2D plane, float2 uv)
{
    float width, height;
    plane.GetDimensions(width, height);
    return int3(int2(uv * _Part.xy * float2(width, height)), 0);
}
#endif

float4 Copy(Varyings input) : SV_Target
{
    return float4(_Source.SampleLevel(sampler_LinearClamp, input.uv, 0).rgb, 1.0);
}

float4 Metres(Varyings input) : SV_Target
{
    float value = MIRAGE_DEPTH.Load(PixelOf(MIRAGE_DEPTH, input.uv)).r;
    float metres = (_DepthTerms.x + _DepthTerms.y * value) / (_DepthTerms.z + _DepthTerms.w * value);
    return value == _FrameSize.z ? asfloat(0x7f800000u) : max(metres, 0.0); // infinity for the sky
}

// The motion of a world at rest: what the renderer's own texture has none of, as for the sky.
float2 ByCamera(float2 uv, float nearness, out bool known)
{
    float4 clip = mul(_Reprojection, Seen(uv, nearness));
    known = clip.w > 0.0;
    float2 was = clip.xy / max(clip.w, 1e-12) * 0.5 + 0.5;
    return float2(was.x - uv.x, uv.y - was.y) * _FrameSize.xy;
}

// The motion of the frame before at this place (in pixels, y down), smoothly, of what belongs to the same surface. What was
// hidden then has no history: what is remembered there is another surface's.
float2 Earlier(float2 at, float nearness, out bool known)
{
    float2 corner = floor(at - 0.5);
    float2 share = at - 0.5 - corner;
    float3 sum = 0.0;
    for (int i = 0; i < 4; i++)
    {
        int2 pace = int2(i & 1, i >> 1);
        int2 from = int2(corner) + pace;
        int2 size = int2(_FrameSize.xy);
        bool inside = all(from >= 0) && all(from < size);
        int2 held = clamp(from, int2(0, 0), size - 1);
        float4 texel = _Before.Load(int3(held.x, size.y - 1 - held.y, 0));
        bool same = abs(texel.z - nearness) <= Same * max(texel.z, nearness);
        float2 weights = lerp(1.0 - share, share, float2(pace));
        if (inside && same && texel.w > 0.5)
            sum += float3(texel.xy, 1.0) * weights.x * weights.y;
    }
    known = sum.z > 0.2;
    return sum.xy / max(sum.z, 1e-6);
}

float4 Motion(Varyings input) : SV_Target
{
    float nearness = Nearness(_Metres.SampleLevel(sampler_PointClamp, input.uv, 0).r);
    float2 place = float2(input.uv.x, 1.0 - input.uv.y) * _FrameSize.xy;
    bool known = true;
    float2 velocity = MIRAGE_MOTION.Load(PixelOf(MIRAGE_MOTION, input.uv)).xy; // shares of the picture, forward, y up
    float2 back = float2(-velocity.x, velocity.y) * _FrameSize.xy;
    if (nearness == 0.0 || abs(velocity.x) > 1.0) // HDRP writes more than 1 where it has none
        back = ByCamera(input.uv, nearness, known);
    if (_GoesOn > 0.5)
    {
        bool remembered;
        back += Earlier(place + back, nearness, remembered);
        known = known && remembered;
    }
    return float4(known ? back : float2(0.0, 0.0), nearness, known ? 1.0 : 0.0);
}

float4 PackMotion(Varyings input) : SV_Target
{
    float4 motion = _Before.SampleLevel(sampler_PointClamp, input.uv, 0);
    float unknown = asfloat(0x7fc00000u);
    return motion.w > 0.5 ? float4(motion.xy, 0.0, 0.0) : float4(unknown, unknown, 0.0, 0.0);
}
