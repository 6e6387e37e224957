using UnityEngine;

namespace Mirage
{
    /// <summary>The shaders' properties.</summary>
    internal static class Names
    {
        public static readonly int Amount = Shader.PropertyToID("_Amount");
        public static readonly int Before = Shader.PropertyToID("_Before");
        public static readonly int CurrentDepth = Shader.PropertyToID("_CurrentDepth");
        public static readonly int DepthRow = Shader.PropertyToID("_DepthRow");
        public static readonly int DepthTerms = Shader.PropertyToID("_DepthTerms");
        public static readonly int Edge = Shader.PropertyToID("_Edge");
        public static readonly int FrameSize = Shader.PropertyToID("_FrameSize");
        public static readonly int Game = Shader.PropertyToID("_Game");
        public static readonly int GoesOn = Shader.PropertyToID("_GoesOn");
        public static readonly int Metres = Shader.PropertyToID("_Metres");
        public static readonly int MirageDepth = Shader.PropertyToID("_MirageDepth");
        public static readonly int MirageMotion = Shader.PropertyToID("_MirageMotion");
        public static readonly int Part = Shader.PropertyToID("_Part");
        public static readonly int Reprojection = Shader.PropertyToID("_Reprojection");
        public static readonly int Result = Shader.PropertyToID("_Result");
        public static readonly int ResultDepth = Shader.PropertyToID("_ResultDepth");
        public static readonly int ResultSize = Shader.PropertyToID("_ResultSize");
        public static readonly int Scale = Shader.PropertyToID("_Scale");
        public static readonly int Source = Shader.PropertyToID("_Source");
        public static readonly int Warp = Shader.PropertyToID("_Warp");
    }
}
