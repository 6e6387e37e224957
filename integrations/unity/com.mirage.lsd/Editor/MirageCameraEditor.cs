#nullable enable
using UnityEditor;
using UnityEngine;

namespace Mirage.Editor
{
    /// <summary>The inspector of a <see cref="MirageCamera"/>: its fields, what is not set yet, and what it does now.</summary>
    [CustomEditor(typeof(MirageCamera))]
    public sealed class MirageCameraEditor : UnityEditor.Editor
    {
        /// <summary>Draw the inspector.</summary>
        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            var camera = (MirageCamera)target;
            var problem = camera.FindProblem();
            EditorGUILayout.Space();
            if (problem != null)
                EditorGUILayout.HelpBox(problem, MessageType.Warning);
            if (camera.Texture != null && (camera.SendDepth || camera.SendMotion || camera.LateWarp))
                EditorGUILayout.HelpBox("A texture is sent as colour alone: depth, motion and late warping need a camera.", MessageType.Info);
            if (!Application.isPlaying || problem != null)
                return;
            EditorGUILayout.LabelField("Shown", camera.IsTransformed ? "the daemon's pictures" : "the game");
            if (camera.Controller != null)
                Figures.Draw(camera.Controller.State, camera.Controller.LastProblem, camera.Controller.Client);
        }

        /// <summary>Whether it is drawn all the time: figures change.</summary>
        /// <returns>Whether the game runs.</returns>
        public override bool RequiresConstantRepaint() => Application.isPlaying;
    }
}
