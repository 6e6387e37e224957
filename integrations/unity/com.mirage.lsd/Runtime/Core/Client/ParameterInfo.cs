#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>What kind of value a parameter has.</summary>
    public enum ParameterType
    {
        /// <summary>A string.</summary>
        Text,

        /// <summary>A double; an integer serves.</summary>
        Float,

        /// <summary>A long.</summary>
        Integer,

        /// <summary>A list of longs.</summary>
        Integers,

        /// <summary>A list of dictionaries with <c>text</c> and <c>weight</c>.</summary>
        Blend,
    }

    /// <summary>One control of a stream (SPEC.md section 6), as this version of the protocol declares it.</summary>
    public sealed class ParameterInfo
    {
        readonly Check _check;

        internal ParameterInfo(string name, ParameterType type, string help)
        {
            Name = name;
            Type = type;
            Help = help;
            _check = (value, path) => ParameterChecks.Check(this, value, path);
        }

        /// <summary>Its name on the wire.</summary>
        public string Name { get; }

        /// <summary>What kind of value it has.</summary>
        public ParameterType Type { get; }

        /// <summary>What it does, in one line.</summary>
        public string Help { get; }

        /// <summary>What it is until it is set: a string, float or long; null stands for an empty list.</summary>
        public object? Default { get; internal set; }

        /// <summary>The least a number may be, or each of them, or a blend's weights.</summary>
        public double Minimum { get; internal set; }

        /// <summary>The most a number may be, or each of them, or a blend's weights.</summary>
        public double Maximum { get; internal set; }

        /// <summary>Characters that a text may have, or each text of a blend; 0 for other types.</summary>
        public int MaxLength { get; internal set; }

        /// <summary>How many items a list may have; 0 for other types.</summary>
        public int MaxItems { get; internal set; }

        /// <summary>The unit of its numbers, such as <c>s</c>; empty for none.</summary>
        public string Unit { get; internal set; } = "";

        /// <summary>Whether a fader that knows no range means the nearest end by a number outside it.</summary>
        public bool Clip { get; internal set; }

        /// <summary>Say what is wrong with a value, as the server would.</summary>
        /// <param name="value">A value as <see cref="MirageClient.Set(string, object, Action{Request})"/> takes it.</param>
        /// <returns>The error; null for a good value.</returns>
        public MirageError? Problem(object? value)
        {
            try
            {
                _check(ParameterChecks.Plain(value), Name);
                return null;
            }
            catch (ProtocolException problem)
            {
                return problem.Error;
            }
        }
    }

    public static partial class Parameters
    {
        /// <summary>All of them, in the order of the protocol.</summary>
        public static IReadOnlyList<ParameterInfo> All => Table;

        /// <summary>Look for a parameter by its name.</summary>
        /// <param name="name">A name, as on the wire.</param>
        /// <returns>The parameter; null where this version of the protocol has none of that name.</returns>
        public static ParameterInfo? Find(string name) => Array.Find(Table, each => each.Name == name);
    }
}
