namespace Cais.Clients;

/// <summary>Checks that a client makes, told line by line to test/clients/run.sh.</summary>
internal static class Checks
{
    private static int _failed;

    public static int ExitCode => _failed > 0 ? 1 : 0;

    public static async Task Check(string name, Func<Task> work)
    {
        try
        {
            await work().WaitAsync(TimeSpan.FromSeconds(60));
            Console.WriteLine($"ok {name}");
        }
        catch (Exception e)
        {
            _failed++;
            Console.WriteLine($"FAIL {name}: {e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}");
            await Console.Error.WriteLineAsync(e.ToString());
        }
    }

    public static void Equal<T>(T expected, T got)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, got))
        {
            throw new InvalidOperationException($"expected {expected}, got {got}");
        }
    }

    public static void True(bool condition, string what)
    {
        if (!condition)
        {
            throw new InvalidOperationException(what);
        }
    }

    public static async Task<T> Throws<T>(Func<Task> work)
        where T : Exception
    {
        try
        {
            await work();
        }
        catch (T e)
        {
            return e;
        }

        throw new InvalidOperationException($"no {typeof(T).Name}");
    }

    public static async Task Until(Func<Task<bool>> condition)
    {
        var end = DateTime.UtcNow.AddSeconds(20);
        while (!await condition())
        {
            True(DateTime.UtcNow < end, "waited in vain");
            await Task.Delay(50);
        }
    }
}
