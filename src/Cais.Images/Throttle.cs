namespace Cais.Images;

/// <summary>Lets one event through in a tenth of a second: progress that nobody could read faster.</summary>
internal sealed class Throttle
{
    private const long Interval = 100;
    private long _next;

    public bool IsDue
    {
        get
        {
            var now = Environment.TickCount64;
            if (now < _next)
            {
                return false;
            }

            _next = now + Interval;
            return true;
        }
    }
}
