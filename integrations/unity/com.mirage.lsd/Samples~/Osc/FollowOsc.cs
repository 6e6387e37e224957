using UnityEngine;

namespace Mirage.Samples
{
    /// <summary>
    /// Lets faders play the scene as well as the picture. The daemon hears OSC itself, and tells every client what has changed: so a
    /// scene needs no receiver of its own. A fader on /mirage/main/strength moves the strength here, and with it this light; one on
    /// /mirage/main/prompt shows its text in the log.
    /// </summary>
    public sealed class FollowOsc : MonoBehaviour
    {
        [SerializeField, Tooltip("The connection.")]
        MirageController controller = null;
        [SerializeField, Tooltip("A light that is as bright as the look is strong.")]
        Light lamp = null;
        [SerializeField, Tooltip("How bright it is at the full strength.")]
        float brightest = 4;

        string _prompt;

        void Update()
        {
            if (controller == null)
                return;
            if (lamp != null)
                lamp.intensity = controller.Strength * brightest;
            if (controller.Prompt == _prompt)
                return;
            _prompt = controller.Prompt;
            Debug.Log($"The picture becomes: {_prompt}");
        }
    }
}
