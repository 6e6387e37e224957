// Shows the last result as the camera sees it now: each pixel finds its surface in the frame that the result was made of
// (backward warping by the current depth), and takes the result's colour there. The Godot addon has the same shader.
#include "Common.hlsl"

Texture2D _Result;
Texture2D _Game;
Texture2D _CurrentDepth; // metres
Texture2D _ResultDepth; // of the result's frame, metres
float4 _ResultSize; // width and height in pixels
float _Amount; // 0 shows the game, 1 the result
float _Warp; // 0 shows the result as it is
float _Edge; // how far outside the result's picture it is mirrored before the game shows, as a share of the picture

// Depths that differ by less, as a share, are one surface.
static const float Same = 0.05;
// A place nearer by more than this share is another thing, and no part of a floor that goes away.
static const float Apart = 0.3;
// Where to look for what stood beside a hidden place, in steps that grow, and how often the last one is halved.
static const int Steps = 12;
static const float FirstStep = 0.002;
static const float Growth = 1.35;
static const int Halvings = 4;
// Pixels around a nearer thing that may have some of its colour: a model draws outlines.
static const float Bleed = 3.0;

float NearnessThen(float2 at)
{
    return Nearness(_ResultDepth.SampleLevel(sampler_PointClamp, saturate(at), 0).r);
}

// Whether something stood in front of a surface of this nearness, nearer by more than a share.
bool HiddenBy(float2 at, float nearness, float share)
{
    return NearnessThen(at) * (1.0 - share) > nearness + 1e-6;
}

bool Hidden(float2 at, float nearness)
{
    return HiddenBy(at, nearness, Same);
}

// Whether a nearer thing stood here, or so near that it may have left some of its colour.
bool Covered(float2 at, float nearness)
{
    float2 bleed = Bleed / _ResultSize.xy;
    return Hidden(at, nearness)
        || HiddenBy(at + bleed, nearness, Apart) || HiddenBy(at - bleed, nearness, Apart)
        || HiddenBy(at + bleed * float2(1.0, -1.0), nearness, Apart)
        || HiddenBy(at + bleed * float2(-1.0, 1.0), nearness, Apart);
}

// The place in the result that stands for a covered one: the background beside what stood in front, found along the way
// that the picture moved, mirrored at the edge so that its texture goes on.
float2 Beside(float2 at, float2 way, float nearness)
{
    float2 direction = dot(way, way) > 1e-12 ? normalize(way) : float2(1.0, 0.0);
    float within = 0.0;
    float reach = FirstStep;
    float side = 0.0;
    [loop] for (int i = 0; i < Steps; i++)
    {
        if (!Covered(at + direction * reach, nearness))
            side = 1.0;
        else if (!Covered(at - direction * reach, nearness))
            side = -1.0;
        if (side != 0.0)
            break;
        within = reach;
        reach *= Growth;
    }
    if (side == 0.0)
        return at;
    direction *= side;
    [loop] for (int j = 0; j < Halvings; j++)
    {
        float middle = (within + reach) * 0.5;
        if (Covered(at + direction * middle, nearness))
            within = middle;
        else
            reach = middle;
    }
    float2 mirrored = at + direction * reach * 2.0;
    return Covered(mirrored, nearness) ? at + direction * reach : mirrored;
}

// Where this pixel's surface is in the result: x and y of the texture; z is its nearness to that camera, w is 0 if it was
// behind it.
float4 PlaceThen(float2 uv, float nearness)
{
    float4 q = Seen(uv, nearness);
    float4 clip = mul(_Reprojection, q);
    float depth = dot(_DepthRow, q);
    float2 then = clip.xy / max(clip.w, 1e-12) * 0.5 + 0.5;
    return float4(then, nearness / max(depth, 1e-12), step(1e-12, min(clip.w, depth)));
}

float4 Warp(Varyings input) : SV_Target
{
    float3 now = _Game.SampleLevel(sampler_LinearClamp, input.uv, 0).rgb;
    float2 at = input.uv;
    float inside = 1.0;
    if (_Warp > 0.5)
    {
        float4 then = PlaceThen(at, Nearness(_CurrentDepth.SampleLevel(sampler_PointClamp, at, 0).r));
        at = then.xy;
        float2 outside = max(max(-at, at - 1.0), 0.0);
        inside = then.w * (1.0 - smoothstep(_Edge * 0.5, max(_Edge, 1e-6), max(outside.x, outside.y)));
        float2 moved = (at - input.uv) * _ResultSize.xy;
        // A picture that hardly moves is best as it is.
        bool uncovers;
        if (dot(moved, moved) > 2.0)
            uncovers = Covered(at, then.z);
        else
            uncovers = Hidden(at, then.z);
        if (outside.x + outside.y == 0.0 && uncovers)
            at = Beside(at, at - input.uv, then.z);
        at = 1.0 - abs(1.0 - abs(at));
    }
    float3 shown = _Result.SampleLevel(sampler_LinearClamp, at, 0).rgb;
    return float4(lerp(now, shown, _Amount * inside), 1.0);
}
