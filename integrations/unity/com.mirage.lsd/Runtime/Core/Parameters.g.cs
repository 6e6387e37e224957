// Generated from the protocol's parameter table by integrations/generate.py: do not edit.

namespace Mirage
{
    /// <summary>Every parameter, as the protocol declares it (SPEC.md section 6).</summary>
    public static partial class Parameters
    {
        /// <summary>The name of <c>prompt</c>. What the picture should become, in words: a look and how it feels.</summary>
        public const string Prompt = "prompt";

        /// <summary>What <c>prompt</c> does, in one line.</summary>
        public const string PromptHelp = "What the picture should become, in words: a look and how it feels.";

        /// <summary>What <c>prompt</c> is until it is set.</summary>
        public const string PromptDefault = "oil painting";

        /// <summary>Characters that the text of <c>prompt</c> may have.</summary>
        public const int PromptLength = 1000;

        /// <summary>The name of <c>prompts</c>. Several prompts at once, each with its weight beside the others; with none, the prompt alone.</summary>
        public const string Prompts = "prompts";

        /// <summary>What <c>prompts</c> does, in one line.</summary>
        public const string PromptsHelp = "Several prompts at once, each with its weight beside the others; with none, the prompt alone.";

        /// <summary>The least that a weight of <c>prompts</c> may be.</summary>
        public const float PromptsMinimum = 0f;

        /// <summary>The most that a weight of <c>prompts</c> may be.</summary>
        public const float PromptsMaximum = 1000f;

        /// <summary>Characters that a text of <c>prompts</c> may have.</summary>
        public const int PromptsLength = 1000;

        /// <summary>How many <c>prompts</c> may have.</summary>
        public const int PromptsItems = 8;

        /// <summary>The name of <c>negative_prompt</c>. What the picture should not become, where guidance is above 1. For Stable Diffusion.</summary>
        public const string NegativePrompt = "negative_prompt";

        /// <summary>What <c>negative_prompt</c> does, in one line.</summary>
        public const string NegativePromptHelp = "What the picture should not become, where guidance is above 1. For Stable Diffusion.";

        /// <summary>What <c>negative_prompt</c> is until it is set.</summary>
        public const string NegativePromptDefault = "";

        /// <summary>Characters that the text of <c>negative_prompt</c> may have.</summary>
        public const int NegativePromptLength = 1000;

        /// <summary>The name of <c>guidance</c>. How far the picture is led from the negative prompt: 1 is the prompt alone. For Stable Diffusion.</summary>
        public const string Guidance = "guidance";

        /// <summary>What <c>guidance</c> does, in one line.</summary>
        public const string GuidanceHelp = "How far the picture is led from the negative prompt: 1 is the prompt alone. For Stable Diffusion.";

        /// <summary>What <c>guidance</c> is until it is set.</summary>
        public const float GuidanceDefault = 1f;

        /// <summary>The least that the value of <c>guidance</c> may be.</summary>
        public const float GuidanceMinimum = 1f;

        /// <summary>The most that the value of <c>guidance</c> may be.</summary>
        public const float GuidanceMaximum = 10f;

        /// <summary>The name of <c>strength</c>. How much of the look is applied: 0 gives the source back, 1 the full look.</summary>
        public const string Strength = "strength";

        /// <summary>What <c>strength</c> does, in one line.</summary>
        public const string StrengthHelp = "How much of the look is applied: 0 gives the source back, 1 the full look.";

        /// <summary>What <c>strength</c> is until it is set.</summary>
        public const float StrengthDefault = 1f;

        /// <summary>The least that the value of <c>strength</c> may be.</summary>
        public const float StrengthMinimum = 0f;

        /// <summary>The most that the value of <c>strength</c> may be.</summary>
        public const float StrengthMaximum = 1f;

        /// <summary>The name of <c>coherence</c>. How much of the last frame is remembered: 0 transforms each frame alone, with texture fixed to the screen.</summary>
        public const string Coherence = "coherence";

        /// <summary>What <c>coherence</c> does, in one line.</summary>
        public const string CoherenceHelp = "How much of the last frame is remembered: 0 transforms each frame alone, with texture fixed to the screen.";

        /// <summary>What <c>coherence</c> is until it is set.</summary>
        public const float CoherenceDefault = 1f;

        /// <summary>The least that the value of <c>coherence</c> may be.</summary>
        public const float CoherenceMinimum = 0f;

        /// <summary>The most that the value of <c>coherence</c> may be.</summary>
        public const float CoherenceMaximum = 1f;

        /// <summary>The name of <c>steps</c>. Denoising steps a frame: more cost more time and refine the picture.</summary>
        public const string Steps = "steps";

        /// <summary>What <c>steps</c> does, in one line.</summary>
        public const string StepsHelp = "Denoising steps a frame: more cost more time and refine the picture.";

        /// <summary>What <c>steps</c> is until it is set.</summary>
        public const int StepsDefault = 1;

        /// <summary>The least that the value of <c>steps</c> may be.</summary>
        public const int StepsMinimum = 1;

        /// <summary>The most that the value of <c>steps</c> may be.</summary>
        public const int StepsMaximum = 4;

        /// <summary>The name of <c>seed</c>. Which texture is generated: the same seed and frames give the same pictures.</summary>
        public const string Seed = "seed";

        /// <summary>What <c>seed</c> does, in one line.</summary>
        public const string SeedHelp = "Which texture is generated: the same seed and frames give the same pictures.";

        /// <summary>What <c>seed</c> is until it is set.</summary>
        public const int SeedDefault = 0;

        /// <summary>The least that the value of <c>seed</c> may be.</summary>
        public const int SeedMinimum = 0;

        /// <summary>The most that the value of <c>seed</c> may be.</summary>
        public const int SeedMaximum = 2147483647;

        /// <summary>The name of <c>mask_ids</c>. Objects that stay as they were rendered, such as an interface: their numbers in the frame's plane `ids`.</summary>
        public const string MaskIds = "mask_ids";

        /// <summary>What <c>mask_ids</c> does, in one line.</summary>
        public const string MaskIdsHelp = "Objects that stay as they were rendered, such as an interface: their numbers in the frame's plane `ids`.";

        /// <summary>The least that a number of <c>mask_ids</c> may be.</summary>
        public const long MaskIdsMinimum = 0L;

        /// <summary>The most that a number of <c>mask_ids</c> may be.</summary>
        public const long MaskIdsMaximum = 4294967295L;

        /// <summary>How many <c>mask_ids</c> may have.</summary>
        public const int MaskIdsItems = 64;

        /// <summary>The name of <c>transition</c>. How long a change of prompts, strength or seed takes; 0 changes with the next frame.</summary>
        public const string Transition = "transition";

        /// <summary>What <c>transition</c> does, in one line.</summary>
        public const string TransitionHelp = "How long a change of prompts, strength or seed takes; 0 changes with the next frame.";

        /// <summary>What <c>transition</c> is until it is set.</summary>
        public const float TransitionDefault = 0f;

        /// <summary>The least that the value of <c>transition</c> may be, in s.</summary>
        public const float TransitionMinimum = 0f;

        /// <summary>The most that the value of <c>transition</c> may be, in s.</summary>
        public const float TransitionMaximum = 60f;

        static readonly ParameterInfo[] Table =
        {
            new ParameterInfo(Prompt, ParameterType.Text, PromptHelp)
            { Default = PromptDefault, MaxLength = PromptLength },
            new ParameterInfo(Prompts, ParameterType.Blend, PromptsHelp)
            { Default = null, Minimum = PromptsMinimum, Maximum = PromptsMaximum, MaxLength = PromptsLength, MaxItems = PromptsItems },
            new ParameterInfo(NegativePrompt, ParameterType.Text, NegativePromptHelp)
            { Default = NegativePromptDefault, MaxLength = NegativePromptLength },
            new ParameterInfo(Guidance, ParameterType.Float, GuidanceHelp)
            { Default = GuidanceDefault, Minimum = GuidanceMinimum, Maximum = GuidanceMaximum, Clip = true },
            new ParameterInfo(Strength, ParameterType.Float, StrengthHelp)
            { Default = StrengthDefault, Minimum = StrengthMinimum, Maximum = StrengthMaximum, Clip = true },
            new ParameterInfo(Coherence, ParameterType.Float, CoherenceHelp)
            { Default = CoherenceDefault, Minimum = CoherenceMinimum, Maximum = CoherenceMaximum, Clip = true },
            new ParameterInfo(Steps, ParameterType.Integer, StepsHelp)
            { Default = (long)StepsDefault, Minimum = StepsMinimum, Maximum = StepsMaximum, Clip = true },
            new ParameterInfo(Seed, ParameterType.Integer, SeedHelp)
            { Default = (long)SeedDefault, Minimum = SeedMinimum, Maximum = SeedMaximum },
            new ParameterInfo(MaskIds, ParameterType.Integers, MaskIdsHelp)
            { Default = null, Minimum = MaskIdsMinimum, Maximum = MaskIdsMaximum, MaxItems = MaskIdsItems },
            new ParameterInfo(Transition, ParameterType.Float, TransitionHelp)
            { Default = TransitionDefault, Minimum = TransitionMinimum, Maximum = TransitionMaximum, Unit = "s", Clip = true },
        };
    }
}
