using NUnit.Framework;
using UnityEngine;

namespace Mirage.Tests
{
    /// <summary>The components in a scene, without a daemon. These need Unity.</summary>
    public class SceneTests
    {
        GameObject _holder;

        [SetUp]
        public void Build() => _holder = new GameObject("Test");

        [TearDown]
        public void Remove() => Object.DestroyImmediate(_holder);

        [Test]
        public void TheShadersAreThere()
        {
            foreach (var name in new[] { "LateWarp", "Planes" })
            {
                var shader = Resources.Load<Shader>($"Mirage/{name}");
                Assert.That(shader != null, Is.True, name);
                Assert.That(shader.isSupported, Is.True, name);
            }
        }

        [Test]
        public void ACameraSaysWhatIsMissing()
        {
            var camera = _holder.AddComponent<MirageCamera>();
            Assert.That(camera.FindProblem().Contains("Mirage Controller"), Is.True);
            camera.Controller = _holder.AddComponent<MirageController>();
            Assert.That(camera.FindProblem().Contains("camera"), Is.True);
            _holder.AddComponent<Camera>();
            camera.ShowOn = ShowOn.Nowhere;
            Assert.That(camera.FindProblem(), Is.Null);
        }

        [Test]
        public void AControllerLetsGo()
        {
            var controller = _holder.AddComponent<MirageController>();
            controller.Url = "ws://127.0.0.1:1/main";
            controller.Connect();
            Assert.That(controller.State, Is.EqualTo(ClientState.Connecting));
            controller.Disconnect();
            Assert.That(controller.State, Is.EqualTo(ClientState.Disconnected));
            Assert.That(controller.Client, Is.Null);
        }

        [Test]
        public void AnAddressThatIsNoneIsAProblem()
        {
            var controller = _holder.AddComponent<MirageController>();
            controller.Url = "http://127.0.0.1";
            controller.Connect();
            Assert.That(controller.Client, Is.Null);
            Assert.That(controller.LastProblem.Code, Is.EqualTo("options"));
        }
    }
}
