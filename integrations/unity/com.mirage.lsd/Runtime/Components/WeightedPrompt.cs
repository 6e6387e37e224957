#nullable enable
using System;
using UnityEngine;

namespace Mirage
{
    /// <summary>One of several prompts at once.</summary>
    [Serializable]
    public sealed class WeightedPrompt
    {
        /// <summary>What the picture should become, in words.</summary>
        [TextArea(1, 4)]
        public string text = "";

        /// <summary>Its share beside the others.</summary>
        [Range(Parameters.PromptsMinimum, 10)]
        public float weight = 1;
    }
}
