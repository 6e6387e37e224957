#nullable enable
using System;
using System.Collections.Generic;
using UnityEngine;

namespace Mirage
{
    /// <summary>A stream's controls, as the inspector shows them. Their names, ranges and help are the protocol's (SPEC.md section 6).</summary>
    [Serializable]
    public sealed class ParameterValues
    {
        /// <summary>What the picture should become, in words.</summary>
        [TextArea(2, 6), Tooltip(Parameters.PromptHelp)]
        public string prompt = Parameters.PromptDefault;

        /// <summary>Several prompts at once; with none, the prompt alone.</summary>
        [Tooltip(Parameters.PromptsHelp)]
        public List<WeightedPrompt> prompts = new List<WeightedPrompt>();

        /// <summary>What the picture should not become, for Stable Diffusion.</summary>
        [TextArea(1, 4), Tooltip(Parameters.NegativePromptHelp)]
        public string negativePrompt = Parameters.NegativePromptDefault;

        /// <summary>How far the picture is led from the negative prompt, for Stable Diffusion.</summary>
        [Range(Parameters.GuidanceMinimum, Parameters.GuidanceMaximum), Tooltip(Parameters.GuidanceHelp)]
        public float guidance = Parameters.GuidanceDefault;

        /// <summary>How much of the look is applied.</summary>
        [Range(Parameters.StrengthMinimum, Parameters.StrengthMaximum), Tooltip(Parameters.StrengthHelp)]
        public float strength = Parameters.StrengthDefault;

        /// <summary>How much of the last frame is remembered.</summary>
        [Range(Parameters.CoherenceMinimum, Parameters.CoherenceMaximum), Tooltip(Parameters.CoherenceHelp)]
        public float coherence = Parameters.CoherenceDefault;

        /// <summary>Denoising steps a frame.</summary>
        [Range(Parameters.StepsMinimum, Parameters.StepsMaximum), Tooltip(Parameters.StepsHelp)]
        public int steps = Parameters.StepsDefault;

        /// <summary>Which texture is generated.</summary>
        [Min(Parameters.SeedMinimum), Tooltip(Parameters.SeedHelp)]
        public int seed = Parameters.SeedDefault;

        /// <summary>Objects that stay as they were rendered, by their numbers in the plane <c>ids</c>.</summary>
        [Tooltip(Parameters.MaskIdsHelp)]
        public List<long> maskIds = new List<long>();

        /// <summary>How many seconds a change of prompts, strength or seed takes.</summary>
        [Range(Parameters.TransitionMinimum, Parameters.TransitionMaximum), Tooltip(Parameters.TransitionHelp)]
        public float transition = Parameters.TransitionDefault;

        /// <summary>A parameter's value as the protocol has it.</summary>
        /// <param name="name">Its name, such as <see cref="Parameters.Strength"/>.</param>
        /// <returns>A string, number or list; null for a name that is not known here.</returns>
        public object? Get(string name)
        {
            switch (name)
            {
                case Parameters.Prompt: return prompt ?? "";
                case Parameters.Prompts: return Blend();
                case Parameters.NegativePrompt: return negativePrompt ?? "";
                case Parameters.Guidance: return (double)guidance;
                case Parameters.Strength: return (double)strength;
                case Parameters.Coherence: return (double)coherence;
                case Parameters.Steps: return (long)steps;
                case Parameters.Seed: return (long)seed;
                case Parameters.MaskIds: return new List<long>(maskIds);
                case Parameters.Transition: return (double)transition;
                default: return null;
            }
        }

        /// <summary>Take over a value as the protocol has it. A name that is not known here, or a value of another type, is passed over.</summary>
        /// <param name="name">Its name.</param>
        /// <param name="value">Its value, as the daemon says it.</param>
        /// <returns>Whether it was taken.</returns>
        public bool Take(string name, object? value)
        {
            return Parameters.Find(name)?.Problem(value) == null && Assign(name, value);
        }

        /// <summary>Take over a value, good or bad.</summary>
        internal bool Assign(string name, object? value)
        {
            switch (name)
            {
                case Parameters.Prompt: prompt = (string?)value ?? ""; return true;
                case Parameters.Prompts: TakeBlend(value!); return true;
                case Parameters.NegativePrompt: negativePrompt = (string?)value ?? ""; return true;
                case Parameters.Guidance: guidance = Convert.ToSingle(value); return true;
                case Parameters.Strength: strength = Convert.ToSingle(value); return true;
                case Parameters.Coherence: coherence = Convert.ToSingle(value); return true;
                case Parameters.Steps: steps = Convert.ToInt32(value); return true;
                case Parameters.Seed: seed = Convert.ToInt32(value); return true;
                case Parameters.MaskIds: TakeIds(value!); return true;
                case Parameters.Transition: transition = Convert.ToSingle(value); return true;
                default: return false;
            }
        }

        /// <summary>Whether a parameter has the same value here and there. Allocates nothing.</summary>
        internal bool IsSame(string name, ParameterValues other)
        {
            switch (name)
            {
                case Parameters.Prompt: return (prompt ?? "") == (other.prompt ?? "");
                case Parameters.Prompts: return IsSameBlend(other);
                case Parameters.NegativePrompt: return (negativePrompt ?? "") == (other.negativePrompt ?? "");
                case Parameters.Guidance: return guidance.Equals(other.guidance);
                case Parameters.Strength: return strength.Equals(other.strength);
                case Parameters.Coherence: return coherence.Equals(other.coherence);
                case Parameters.Steps: return steps == other.steps;
                case Parameters.Seed: return seed == other.seed;
                case Parameters.MaskIds: return IsSameIds(other);
                case Parameters.Transition: return transition.Equals(other.transition);
                default: return true;
            }
        }

        bool IsSameBlend(ParameterValues other)
        {
            if (prompts.Count != other.prompts.Count)
                return false;
            for (var at = 0; at < prompts.Count; at++)
                if (prompts[at].text != other.prompts[at].text || !prompts[at].weight.Equals(other.prompts[at].weight))
                    return false;
            return true;
        }

        bool IsSameIds(ParameterValues other)
        {
            if (maskIds.Count != other.maskIds.Count)
                return false;
            for (var at = 0; at < maskIds.Count; at++)
                if (maskIds[at] != other.maskIds[at])
                    return false;
            return true;
        }

        List<object> Blend()
        {
            var blend = new List<object>();
            foreach (var each in prompts)
                blend.Add(new Dictionary<string, object> { ["text"] = each.text ?? "", ["weight"] = (double)each.weight });
            return blend;
        }

        void TakeBlend(object blend)
        {
            prompts.Clear();
            foreach (var item in (System.Collections.IEnumerable)blend)
            {
                var text = "";
                var weight = 0f;
                if (item is IReadOnlyDictionary<string, object?> map)
                    (text, weight) = ((string)map["text"]!, Convert.ToSingle(map["weight"]));
                prompts.Add(new WeightedPrompt { text = text, weight = weight });
            }
        }

        void TakeIds(object ids)
        {
            maskIds.Clear();
            foreach (var item in (System.Collections.IEnumerable)ids)
                maskIds.Add(Convert.ToInt64(item));
        }
    }
}
