using System.Buffers.Binary;

namespace Cais.Runtime.Tests.Seccomp;

/// <summary>Runs classic BPF over a struct seccomp_data, as the kernel does.</summary>
internal static class BpfInterpreter
{
    public static uint Run(byte[] program, uint number, uint architecture, params ulong[] arguments)
    {
        var data = new byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(data, number);
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(4), architecture);
        for (var i = 0; i < arguments.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(16 + (i * 8)), arguments[i]);
        }

        uint accumulator = 0;
        for (var at = 0; ; at++)
        {
            Assert.True(at < program.Length / 8, "the program runs off its end");
            var code = BinaryPrimitives.ReadUInt16LittleEndian(program.AsSpan(at * 8));
            var (yes, no) = (program[(at * 8) + 2], program[(at * 8) + 3]);
            var value = BinaryPrimitives.ReadUInt32LittleEndian(program.AsSpan((at * 8) + 4));
            switch (code)
            {
                case 0x20:
                    accumulator = BinaryPrimitives.ReadUInt32LittleEndian(data.AsSpan((int)value));
                    break;
                case 0x54:
                    accumulator &= value;
                    break;
                case 0x05:
                    at += (int)value;
                    break;
                case 0x15:
                    at += accumulator == value ? yes : no;
                    break;
                case 0x25:
                    at += accumulator > value ? yes : no;
                    break;
                case 0x35:
                    at += accumulator >= value ? yes : no;
                    break;
                case 0x06:
                    return value;
                default:
                    Assert.Fail($"instruction {code:x} is not known");
                    break;
            }
        }
    }
}
