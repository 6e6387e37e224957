#nullable enable
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>What a client says to a server's hello, and reads in it (SPEC.md sections 4.1 and 4.2).</summary>
    internal static class Greeting
    {
        /// <summary>The fields of our own hello; the session's gate is held.</summary>
        public static Dictionary<string, object?> Answer(Session session, Message server)
        {
            var options = session.Options;
            var fields = new Dictionary<string, object?>
            {
                ["role"] = options.Role.ToString().ToLowerInvariant(),
                ["client"] = options.Name,
                ["window"] = options.Window,
                ["take_over"] = options.TakeOver && !session.Known,
            };
            if (options.Token != null)
                fields["token"] = options.Token;
            var own = session.Parameters.ToSet(session.Known ? Table(server) : null);
            if (options.Role != Role.Viewer && own.Count > 0)
                fields["parameters"] = own;
            if (options.JpegResults && options.Role != Role.Controller && Has(server.Map("capabilities"), "results", "jpeg"))
            {
                fields["result_format"] = "jpeg";
                fields["quality"] = options.Quality;
            }
            return fields;
        }

        /// <summary>The planes that a server takes, a bit each; all where it does not say.</summary>
        public static int Announced(Dictionary<string, object?> capabilities)
        {
            if (!capabilities.TryGetValue("planes", out var value) || !(value is Dictionary<string, object?> planes))
                return ~0;
            var bits = 1;
            for (var index = 1; index < Plane.Names.Length; index++)
                bits |= planes.ContainsKey(Plane.Names[index]) ? 1 << index : 0;
            return bits;
        }

        /// <summary>Whether one of the server's lists has an item.</summary>
        public static bool Has(Dictionary<string, object?> capabilities, string list, string item) =>
            capabilities.TryGetValue(list, out var value) && value is List<object?> items && items.Contains(item);

        static HashSet<string> Table(Message server)
        {
            var names = new HashSet<string>();
            foreach (var entry in server.List("parameters"))
                if (((Dictionary<string, object?>)entry!).TryGetValue("name", out var name) && name is string text)
                    names.Add(text);
            return names;
        }
    }
}
