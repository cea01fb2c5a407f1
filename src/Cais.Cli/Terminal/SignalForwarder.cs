using System.Globalization;
using System.Runtime.InteropServices;
using Cais.Client;

namespace Cais.Cli.Terminal;

/// <summary>Passes on to a container every signal that this process gets and could act on.</summary>
internal sealed class SignalForwarder : IDisposable
{
    private const int SigQuit = 3;
    private const int SigTrap = 5;
    private const int SigUsr1 = 10;
    private const int SigUsr2 = 12;
    private const int SigAlrm = 14;
    private const int SigStkflt = 16;
    private const int SigXcpu = 24;
    private const int SigXfsz = 25;
    private const int SigVtalrm = 26;
    private const int SigProf = 27;
    private const int SigIo = 29;
    private const int SigPwr = 30;

    /// <summary>Not those that no process can catch, that report its own faults, or that the terminal's driver uses for job control.</summary>
    private static readonly int[] Forwarded =
    [
        (int)PosixSignal.SIGHUP, (int)PosixSignal.SIGINT, (int)PosixSignal.SIGTERM, (int)PosixSignal.SIGQUIT,
        SigUsr1, SigUsr2, SigAlrm, SigStkflt, SigXcpu, SigXfsz, SigVtalrm, SigProf, SigIo, SigPwr, SigTrap,
    ];

    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <param name="engine">Where the container is.</param>
    /// <param name="container">Name or id.</param>
    public SignalForwarder(EngineClient engine, string container)
    {
        foreach (var signal in Forwarded)
        {
            try
            {
                _registrations.Add(PosixSignalRegistration.Create((PosixSignal)signal, received =>
                {
                    received.Cancel = true;
                    Forward(engine, container, Number(signal));
                }));
            }
            catch (Exception e) when (e is IOException or ArgumentException or PlatformNotSupportedException)
            {
                // The runtime keeps this one for itself.
            }
        }
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private static void Forward(EngineClient engine, string container, int number)
    {
        try
        {
            engine.KillContainerAsync(container, number.ToString(CultureInfo.InvariantCulture)).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is EngineApiException or IOException)
        {
            // Gone already, or going: whoever waits for its end learns it.
        }
    }

    /// <summary>.NET gives the portable signals negative numbers of its own.</summary>
    private static int Number(int signal) => (PosixSignal)signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        PosixSignal.SIGQUIT => SigQuit,
        PosixSignal.SIGTERM => 15,
        _ => signal,
    };
}
