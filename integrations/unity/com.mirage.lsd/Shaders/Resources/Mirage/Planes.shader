Shader "Hidden/Mirage/Planes"
{
    SubShader
    {
        Cull Off
        ZTest Always
        ZWrite Off
        Blend Off

        Pass
        {
            Name "Copy"
            HLSLPROGRAM
            #pragma target 3.5
            #pragma vertex Vertex
            #pragma fragment Copy
            #include "../../Planes.hlsl"
            ENDHLSL
        }

        Pass
        {
            Name "Metres"
            HLSLPROGRAM
            #pragma target 3.5
            #pragma vertex Vertex
            #pragma fragment Metres
            #pragma multi_compile_local _ MIRAGE_BUILTIN MIRAGE_UNIVERSAL MIRAGE_ARRAY
            #include "../../Planes.hlsl"
            ENDHLSL
        }

        Pass
        {
            Name "Motion"
            HLSLPROGRAM
            #pragma target 3.5
            #pragma vertex Vertex
            #pragma fragment Motion
            #pragma multi_compile_local _ MIRAGE_BUILTIN MIRAGE_UNIVERSAL MIRAGE_ARRAY
            #include "../../Planes.hlsl"
            ENDHLSL
        }

        Pass
        {
            Name "PackMotion"
            HLSLPROGRAM
            #pragma target 3.5
            #pragma vertex Vertex
            #pragma fragment PackMotion
            #include "../../Planes.hlsl"
            ENDHLSL
        }
    }
}
