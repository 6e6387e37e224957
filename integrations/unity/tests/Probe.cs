#nullable enable
using System;
using System.Linq;
using System.Threading;

namespace Mirage.Tests
{
    /// A client whose every event is printed: `probe URL KEY=VALUE…`. It ends when it is refused, after `seconds`, after so
    /// many `results`, or `errors`.
    static class Probe
    {
        public static void Run(string[] arguments)
        {
            string Option(string name, string otherwise) =>
                arguments.Select(each => each.Split(new[] { '=' }, 2)).Where(each => each[0] == name).Select(each => each[1]).FirstOrDefault() ?? otherwise;
            var (results, errors, connections) = (0, 0, 0);
            var role = (Role)Enum.Parse(typeof(Role), Option("role", "Source"));
            using (var client = Live.Client(arguments[0], Option("transport", "Auto"), options =>
            {
                options.Role = role;
                options.TakeOver = Option("take", "") == "over";
                options.Timeout = double.Parse(Option("timeout", "10"));
                options.Token = Option("token", "") == "" ? null : Option("token", "");
                options.JpegResults = Option("jpeg", "") != "";
                options.Window = int.Parse(Option("window", "2"));
            }))
            {
                client.StateChanged += state =>
                {
                    connections += state == ClientState.Connected ? 1 : 0;
                    Print($"state {state}");
                };
                client.ErrorReceived += error =>
                {
                    errors++;
                    Print($"error {error.Code} {error.Field ?? "-"}: {error.Message}");
                };
                client.StreamStateChanged += (state, text) => Print($"stream {state} {text}");
                client.ParametersChanged += parameters => Print($"parameters {string.Join(" ", parameters.OrderBy(each => each.Key, StringComparer.Ordinal).Select(each => $"{each.Key}={each.Value}"))}");
                client.ShowChanged += show => Print($"show {show["name"]}");
                client.Start();
                var (width, height) = (int.Parse(Option("width", "32")), int.Parse(Option("height", "16")));
                var pixels = Pictures.Noise(width, height, 5);
                if (Option("watch", "") != "")
                    Live.Until(() => client.State == ClientState.Connected, "there is a connection");
                var watch = Option("watch", "") == "" ? null : client.Play("watch", null, request => Print($"watched {request.Error?.Code ?? "well"}"));
                for (var until = MirageClient.Now + (long)(1e6 * double.Parse(Option("seconds", "30"))); MirageClient.Now < until; Thread.Sleep(1))
                {
                    client.Poll();
                    if (role == Role.Source && Option("send", "yes") == "yes")
                        client.TrySend(Pictures.Frame(pixels, width, height), out _);
                    while (client.TryReceive(out var result))
                        using (result)
                            if (results++ < 3)
                                Print($"result {result.Id} {result.Format} {result.Width}x{result.Height} {result.Pixels.Length}");
                    if (client.State == ClientState.Refused || results >= int.Parse(Option("results", "1000000"))
                        || errors >= int.Parse(Option("errors", "1000000")) || connections >= int.Parse(Option("connections", "1000000")))
                        break;
                }
                client.Poll();
                if (client.Statistics.Dropped > 0)
                    Print($"dropped {client.Statistics.Dropped}");
                Print($"end {client.State} {client.Problem?.Code ?? "-"} shared={client.Statistics.SharedMemory} reason={client.Statistics.TransportReason}");
            }
        }

        static void Print(string line)
        {
            Console.WriteLine(line);
            Console.Out.Flush();
        }
    }
}
