// What all of Mirage's shaders share. Plain HLSL without Unity's include files, so that it is the same in every render pipeline.
#ifndef MIRAGE_COMMON
#define MIRAGE_COMMON

// 1 / z of what is nearer than this is not told apart; above it is the sky.
#define MIRAGE_SKY 3e38

struct Varyings
{
    float4 position : SV_POSITION;
    float2 uv : TEXCOORD0; // (0, 0) is where the texture's memory begins: the picture's bottom left
};

SamplerState sampler_LinearClamp;
SamplerState sampler_PointClamp;

// One triangle that covers the picture. Memory goes to memory, whichever way up the graphics API draws.
Varyings Vertex(uint id : SV_VertexID)
{
    Varyings output;
    float2 corner = float2((id << 1) & 2, id & 2);
    output.position = float4(corner * 2.0 - 1.0, 0.0, 1.0);
    output.uv = corner;
#if !defined(SHADER_API_GLCORE) && !defined(SHADER_API_GLES3) && !defined(SHADER_API_GLES)
    output.uv.y = 1.0 - output.uv.y;
#endif
    return output;
}

// One over a depth in metres: 0 for the sky.
float Nearness(float metres)
{
    return metres > MIRAGE_SKY ? 0.0 : 1.0 / max(metres, 1e-6);
}

// See Runtime/Core/Capture/Reprojection.cs.
float4x4 _Reprojection;
float4 _DepthRow;
float4 _Scale;

// A place of the picture and its nearness as the vector q.
float4 Seen(float2 uv, float nearness)
{
    float at = max(nearness, _Scale.x == 0.0 ? 1e-4 : 0.0); // an orthogonal camera has no infinity
    return float4((uv * 2.0 - 1.0) * (_Scale.x + _Scale.y * at), 1.0, at);
}

#endif
