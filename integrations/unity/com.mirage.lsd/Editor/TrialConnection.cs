#nullable enable
using System;

namespace Mirage.Editor
{
    /// <summary>A connection of the inspector's own while the game does not run: it changes parameters, and no more.</summary>
    internal sealed class TrialConnection : IDisposable
    {
        readonly ParameterLink _link;

        public TrialConnection(MirageController controller)
        {
            _link = new ParameterLink(Complain);
            _link.Start(controller.Values);
            try
            {
                Client = new MirageClient(new ClientOptions
                {
                    Url = controller.Url,
                    Role = Role.Controller,
                    Token = string.IsNullOrEmpty(controller.Token) ? null : controller.Token,
                    Name = "mirage unity inspector",
                });
            }
            catch (ArgumentException problem)
            {
                Complain(new MirageError("options", problem.Message));
                return;
            }
            Client.ErrorReceived += Complain;
            Client.Start();
        }

        public MirageClient? Client { get; }

        public MirageError? Problem { get; private set; }

        /// <summary>Send what was changed in the inspector. The scene's own values stay what they were saved as.</summary>
        public void Step(ParameterValues values)
        {
            if (Client == null)
                return;
            Client.Poll();
            _link.Send(Client, values, false);
        }

        public void Dispose() => Client?.Dispose();

        void Complain(MirageError error) => Problem = error;
    }
}
