using System.Collections.Generic;
using NUnit.Framework;

namespace Mirage.Tests
{
    /// <summary>The parameters as the inspector has them. None of these needs the engine.</summary>
    public class ParameterTests
    {
        [Test]
        public void EveryParameterHasAFieldWithItsDefault()
        {
            var values = new ParameterValues();
            foreach (var parameter in Parameters.All)
            {
                var value = values.Get(parameter.Name);
                Assert.That(value, Is.Not.Null, parameter.Name);
                Assert.That(parameter.Problem(value), Is.Null, parameter.Name);
                if (parameter.Default is float number)
                    Assert.That(value, Is.EqualTo((double)number), parameter.Name);
                else if (parameter.Default != null)
                    Assert.That(value, Is.EqualTo(parameter.Default), parameter.Name);
                Assert.That(values.Take(parameter.Name, value), Is.True, parameter.Name);
            }
            Assert.That(values.Get("nothing"), Is.Null);
            Assert.That(values.Take("nothing", 1.0), Is.False);
        }

        [Test]
        public void ValuesOfAnotherKindArePassedOver()
        {
            var values = new ParameterValues();
            Assert.That(values.Take(Parameters.Strength, "much"), Is.False);
            Assert.That(values.Take(Parameters.Strength, 7.0), Is.False);
            Assert.That(values.Take(Parameters.Strength, 0.25), Is.True);
            Assert.That(values.strength, Is.EqualTo(0.25f));
            Assert.That(values.Take(Parameters.Steps, 3L), Is.True);
            Assert.That(values.steps, Is.EqualTo(3));
        }

        [Test]
        public void BlendsAndIdsGoThereAndBack()
        {
            var values = new ParameterValues();
            values.prompts.Add(new WeightedPrompt { text = "lava", weight = 3 });
            values.prompts.Add(new WeightedPrompt { text = "ice" });
            values.maskIds.Add(258);
            var other = new ParameterValues();
            foreach (var name in new[] { Parameters.Prompts, Parameters.MaskIds })
            {
                Assert.That(values.IsSame(name, other), Is.False, name);
                Assert.That(other.Take(name, values.Get(name)), Is.True, name);
                Assert.That(values.IsSame(name, other), Is.True, name);
            }
            Assert.That(other.prompts[0].weight, Is.EqualTo(3));
            other.prompts[1].text = "snow";
            Assert.That(values.IsSame(Parameters.Prompts, other), Is.False);
        }

        [Test]
        public void OnlyWhatWasChosenIsAskedFor()
        {
            var values = new ParameterValues();
            Assert.That(ParameterLink.Chosen(values), Is.Empty);
            values.prompt = "lava";
            values.strength = 0.5f;
            var chosen = ParameterLink.Chosen(values);
            Assert.That(chosen.Count, Is.EqualTo(2));
            Assert.That(chosen[Parameters.Prompt], Is.EqualTo("lava"));
        }

        [Test]
        public void WhatIsAskedForDoesNotJumpBack()
        {
            using (var client = new MirageClient(new ClientOptions { Url = "ws://127.0.0.1:1/main" }))
            {
                var problems = new List<MirageError>();
                var link = new ParameterLink(problems.Add);
                var values = new ParameterValues();
                link.Start(values);
                client.Start();
                values.strength = 0.5f;
                link.Send(client, values, true);
                link.Learn(new Dictionary<string, object> { [Parameters.Strength] = 0.9, [Parameters.Seed] = 4L }, values);
                Assert.That(values.strength, Is.EqualTo(0.5f));
                Assert.That(values.seed, Is.EqualTo(4));
                Assert.That(problems, Is.Empty);
            }
        }
    }
}
