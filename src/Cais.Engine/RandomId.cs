using Cais.Linux;

namespace Cais.Engine;

/// <summary>Docker's ids: 64 hexadecimal digits, of which people type the first twelve.</summary>
internal static class RandomId
{
    public static string New()
    {
        Span<byte> bytes = stackalloc byte[32];
        while (true)
        {
            RandomBytes.Fill(bytes);
            var id = Convert.ToHexStringLower(bytes);

            // The short form is a host name: one that reads as a number confuses resolvers.
            if (id.AsSpan(0, 12).ContainsAnyExceptInRange('0', '9'))
            {
                return id;
            }
        }
    }
}
