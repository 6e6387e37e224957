#nullable enable
using UnityEditor;
using UnityEngine;

namespace Mirage.Editor
{
    /// <summary>
    /// The inspector of a <see cref="MirageController"/>: its fields, what the connection is like, and a button that connects. While
    /// the game does not run the button connects as a controller, so that parameters can be tried on a stream that somebody else plays.
    /// </summary>
    [CustomEditor(typeof(MirageController))]
    public sealed class MirageControllerEditor : UnityEditor.Editor
    {
        TrialConnection? _trial;

        /// <summary>Draw the inspector.</summary>
        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            var controller = (MirageController)target;
            EditorGUILayout.Space();
            EditorGUILayout.LabelField("Now", EditorStyles.boldLabel);
            if (Application.isPlaying)
                DrawPlaying(controller);
            else
                DrawEditing(controller);
        }

        /// <summary>Whether it is drawn all the time: figures change.</summary>
        /// <returns>Whether there is a connection.</returns>
        public override bool RequiresConstantRepaint() => Application.isPlaying || _trial != null;

        void OnEnable() => EditorApplication.update += Step;

        void OnDisable()
        {
            EditorApplication.update -= Step;
            EndTrial();
        }

        void Step()
        {
            if (_trial == null)
                return;
            if (Application.isPlaying || target == null)
                EndTrial(); // the game itself connects
            else
                _trial.Step(((MirageController)target).Values);
        }

        void DrawPlaying(MirageController controller)
        {
            Figures.Draw(controller.State, controller.LastProblem, controller.Client);
            if (controller.Client == null ? GUILayout.Button("Connect") : GUILayout.Button("Connect anew"))
                controller.Connect();
            if (controller.Client != null && GUILayout.Button("Disconnect"))
                controller.Disconnect();
        }

        void DrawEditing(MirageController controller)
        {
            if (_trial == null)
            {
                EditorGUILayout.HelpBox("The game connects when it is played. Connect here to try parameters on a running stream.", MessageType.None);
                if (GUILayout.Button("Connect"))
                    _trial = new TrialConnection(controller);
                return;
            }
            Figures.Draw(_trial.Client?.State ?? ClientState.Disconnected, _trial.Problem, _trial.Client);
            if (GUILayout.Button("Disconnect"))
                EndTrial();
        }

        void EndTrial()
        {
            _trial?.Dispose();
            _trial = null;
        }
    }
}
