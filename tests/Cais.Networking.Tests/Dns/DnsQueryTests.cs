using System.Net;
using Cais.Networking.Dns;

namespace Cais.Networking.Tests.Dns;

/// <summary>Questions and answers as bytes (RFC 1035), and questions from containers that mean no good.</summary>
public sealed class DnsQueryTests
{
    /// <summary>Identifier 0x1234, recursion desired, one question: Web.Example A IN.</summary>
    private const string Question = "12340100000100000000000003576562074578616d706c650000010001";

    [Fact]
    public void A_question_is_read_and_answered_byte_for_byte()
    {
        var query = DnsQuery.Parse(Convert.FromHexString(Question), out var error)!;
        Assert.Null(error);
        Assert.Equal(("web.example", DnsType.A, 512), (query.Name, query.Type, query.PayloadSize));
        Assert.Equal(
            "12348180000100010000000003576562074578616d706c650000010001" + "c00c000100010000000a0004ac110002",
            Convert.ToHexStringLower(query.Answer(DnsCode.NoError, [[172, 17, 0, 2]], 10, 512)));
    }

    [Fact]
    public void An_asker_with_a_larger_buffer_gets_it_used_and_acknowledged()
    {
        // The same with an OPT record: payload size 1232.
        var bytes = Convert.FromHexString(Question[..20] + "0001" + Question[24..] + "00002904d000000000" + "0000");
        var query = DnsQuery.Parse(bytes, out _)!;
        Assert.Equal(1232, query.PayloadSize);
        var answer = query.Answer(DnsCode.NoError, [.. Enumerable.Range(0, 60).Select(i => new byte[] { 10, 0, 0, (byte)i })], 10, query.PayloadSize);
        Assert.Equal(60, answer[7]);
        Assert.Equal(0, answer[2] & 2);
        Assert.Equal("00002904d0", Convert.ToHexStringLower(answer[^11..^6]));
    }

    [Fact]
    public void What_does_not_fit_is_left_out_and_marked_as_truncated()
    {
        var query = DnsQuery.Parse(Convert.FromHexString(Question), out _)!;
        var answer = query.Answer(DnsCode.NoError, [.. Enumerable.Range(0, 60).Select(i => new byte[] { 10, 0, 0, (byte)i })], 10, 512);
        Assert.InRange(answer.Length, 490, 512);
        Assert.Equal(2, answer[2] & 2);
    }

    [Theory]
    [InlineData("")] // nothing
    [InlineData("1234")] // half a header
    [InlineData("123481000001000000000000035765620000010001")] // an answer, not a question
    public void What_is_no_question_gets_no_answer(string hex)
    {
        Assert.Null(DnsQuery.Parse(Convert.FromHexString(hex), out var error));
        Assert.Null(error);
    }

    [Theory]
    [InlineData("123428000001000000000000035765620000010001", DnsCode.NotImplemented)] // an update
    [InlineData("123401000002000000000000035765620000010001", DnsCode.FormatError)] // two questions, one there
    [InlineData("123401000001000000000000c00c00010001", DnsCode.FormatError)] // a name that points at itself
    [InlineData("1234010000010000000000003f576562", DnsCode.FormatError)] // a label longer than the message
    [InlineData("12340100000100000000000003576562000001", DnsCode.FormatError)] // no class
    [InlineData("123401000001000000000000035765620000010003", DnsCode.FormatError)] // Chaosnet
    public void A_question_that_cannot_be_gets_an_error(string hex, object code)
    {
        Assert.Null(DnsQuery.Parse(Convert.FromHexString(hex), out var error));
        Assert.Equal("1234", Convert.ToHexStringLower(error![..2]));
        Assert.Equal((byte)(DnsCode)code, error[3] & 0x0f);
        Assert.Equal(12, error.Length);
    }

    [Fact]
    public void Nonsense_never_gets_further_than_the_parser()
    {
        var random = new Random(53);
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = Convert.FromHexString(Question + "00002904d0000000000000");
            for (var change = random.Next(1, 8); change > 0; change--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            var query = DnsQuery.Parse(bytes.AsSpan(0, random.Next(bytes.Length + 1)), out _);
            query?.Answer(DnsCode.NoError, [[1, 2, 3, 4]], 10, query.PayloadSize);
        }
    }

    [Fact]
    public void A_reply_counts_only_with_the_same_identifier_and_question()
    {
        var query = DnsQuery.Parse(Convert.FromHexString(Question), out _)!;
        var reply = query.Answer(DnsCode.NoError, [[1, 2, 3, 4]], 10, 512);
        Assert.True(query.IsAnsweredBy(reply, 0x1234));
        Assert.False(query.IsAnsweredBy(reply, 0x1235));
        reply[14] ^= 1;
        Assert.False(query.IsAnsweredBy(reply, 0x1234));
        Assert.False(query.IsAnsweredBy(reply.AsSpan(0, 11), 0x1234));
        Assert.False(query.IsAnsweredBy(Convert.FromHexString(Question), 0x1234));
    }

    [Theory]
    [InlineData("2.0.17.172.in-addr.arpa", "172.17.0.2")]
    [InlineData("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f", null)]
    [InlineData("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", "fd00:1::2")]
    [InlineData("300.0.17.172.in-addr.arpa", null)]
    [InlineData("17.172.in-addr.arpa", null)]
    [InlineData("web", null)]
    public void Reverse_names_are_addresses_backwards(string name, string? address) =>
        Assert.Equal(address is null ? null : IPAddress.Parse(address), DnsQuery.ReverseAddress(name));
}
