Shader "Hidden/Mirage/LateWarp"
{
    SubShader
    {
        Cull Off
        ZTest Always
        ZWrite Off
        Blend Off

        Pass
        {
            Name "Warp"
            HLSLPROGRAM
            #pragma target 3.5
            #pragma vertex Vertex
            #pragma fragment Warp
            #include "../../LateWarp.hlsl"
            ENDHLSL
        }
    }
}
