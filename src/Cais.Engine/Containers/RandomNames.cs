using Cais.Linux;

namespace Cais.Engine.Containers;

/// <summary>Names for containers that got none: two words, of harbours and the sea.</summary>
internal static class RandomNames
{
    private static readonly string[] Qualities =
    [
        "able", "amber", "bold", "brave", "breezy", "bright", "brisk", "calm", "clear", "coastal", "copper", "coral", "deep", "eager", "early", "fair",
        "fleet", "free", "fresh", "gentle", "glad", "golden", "grand", "hardy", "high", "humble", "keen", "kind", "lively", "loyal", "lucky", "mellow",
        "merry", "mighty", "misty", "modest", "neat", "nimble", "noble", "open", "patient", "placid", "plucky", "prompt", "proud", "quick", "quiet",
        "ready", "salty", "serene", "sharp", "silver", "sleek", "snug", "solid", "steady", "stout", "sturdy", "sunny", "swift", "tidal", "tidy", "trim",
        "trusty", "upbeat", "vivid", "warm", "wise", "witty", "young",
    ];

    private static readonly string[] Things =
    [
        "albatross", "anchor", "barge", "bay", "beacon", "bollard", "breakwater", "brig", "buoy", "canal", "cape", "capstan", "caravel", "clipper", "cockle",
        "compass", "cormorant", "crane", "creek", "current", "cutter", "dinghy", "dock", "dolphin", "dory", "estuary", "ferry", "fjord", "foghorn", "galley",
        "gannet", "gull", "gunwale", "harbour", "heron", "hull", "jetty", "keel", "ketch", "lagoon", "lantern", "lighthouse", "limpet", "lugger", "marina",
        "mast", "mooring", "otter", "oyster", "pelican", "pier", "pilot", "porpoise", "puffin", "quay", "reef", "rudder", "sail", "schooner", "seal",
        "sextant", "skiff", "sloop", "spar", "strait", "swell", "tern", "tide", "tiller", "trawler", "tugboat", "wharf", "windlass", "yawl",
    ];

    /// <summary>A name; from the third attempt on with a number, since the short ones seem to be taken.</summary>
    public static string Next(int attempt)
    {
        var name = $"{Qualities[RandomBytes.Below(Qualities.Length)]}_{Things[RandomBytes.Below(Things.Length)]}";
        return attempt < 2 ? name : name + RandomBytes.Below(10 << Math.Min(attempt, 20));
    }
}
