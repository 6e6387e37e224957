#nullable enable
using System.Globalization;
using UnityEditor;

namespace Mirage.Editor
{
    /// <summary>What a connection is like, in a few lines.</summary>
    internal static class Figures
    {
        public static void Draw(ClientState state, MirageError? problem, MirageClient? client)
        {
            EditorGUILayout.LabelField("Connection", state.ToString());
            if (problem != null && state != ClientState.Connected)
                EditorGUILayout.HelpBox(problem.ToString(), MessageType.Warning);
            if (client == null || state != ClientState.Connected)
                return;
            var now = client.Statistics;
            EditorGUILayout.LabelField("Stream", client.StreamState.ToString());
            EditorGUILayout.LabelField("Transport", now.SharedMemory ? "shared memory" : $"WebSocket {now.TransportReason}");
            EditorGUILayout.LabelField("Results a second", Shown(now.Rate));
            EditorGUILayout.LabelField("Round trip (p50, p95)", $"{Shown(now.P50)} ms, {Shown(now.P95)} ms");
            EditorGUILayout.LabelField("Jitter", $"{Shown(now.Jitter)} ms");
            EditorGUILayout.LabelField("On their way, dropped", $"{now.InFlight}, {now.Drops} in ten seconds");
        }

        static string Shown(double value) => double.IsNaN(value) ? "none yet" : value.ToString("0.0", CultureInfo.InvariantCulture);
    }
}
