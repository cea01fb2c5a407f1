using System.Text.Json;

namespace Cais.Oci.Runtime;

/// <content>BlockIoResources and what belongs to it, of LinuxResources.cs.</content>
public static partial class SpecReader
{
    private static BlockIoResources? BlockIoResourcesOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        ushort? weight = null;
        ushort? leafWeight = null;
        IReadOnlyList<WeightDevice>? weightDevice = null;
        IReadOnlyList<ThrottleDevice>? throttleReadBpsDevice = null;
        IReadOnlyList<ThrottleDevice>? throttleWriteBpsDevice = null;
        IReadOnlyList<ThrottleDevice>? throttleReadIOPSDevice = null;
        IReadOnlyList<ThrottleDevice>? throttleWriteIOPSDevice = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("weight"u8))
            {
                weight = UInt16(ref json);
            }
            else if (json.ValueTextEquals("leafWeight"u8))
            {
                leafWeight = UInt16(ref json);
            }
            else if (json.ValueTextEquals("weightDevice"u8))
            {
                weightDevice = List(ref json, WeightDeviceOf);
            }
            else if (json.ValueTextEquals("throttleReadBpsDevice"u8))
            {
                throttleReadBpsDevice = List(ref json, ThrottleDeviceOf);
            }
            else if (json.ValueTextEquals("throttleWriteBpsDevice"u8))
            {
                throttleWriteBpsDevice = List(ref json, ThrottleDeviceOf);
            }
            else if (json.ValueTextEquals("throttleReadIOPSDevice"u8))
            {
                throttleReadIOPSDevice = List(ref json, ThrottleDeviceOf);
            }
            else if (json.ValueTextEquals("throttleWriteIOPSDevice"u8))
            {
                throttleWriteIOPSDevice = List(ref json, ThrottleDeviceOf);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new BlockIoResources
        {
            Weight = weight,
            LeafWeight = leafWeight,
            WeightDevice = weightDevice,
            ThrottleReadBpsDevice = throttleReadBpsDevice,
            ThrottleWriteBpsDevice = throttleWriteBpsDevice,
            ThrottleReadIOPSDevice = throttleReadIOPSDevice,
            ThrottleWriteIOPSDevice = throttleWriteIOPSDevice,
        };
    }

    private static WeightDevice? WeightDeviceOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        long? major = null;
        long? minor = null;
        ushort? weight = null;
        ushort? leafWeight = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("major"u8))
            {
                major = Int64(ref json);
            }
            else if (json.ValueTextEquals("minor"u8))
            {
                minor = Int64(ref json);
            }
            else if (json.ValueTextEquals("weight"u8))
            {
                weight = UInt16(ref json);
            }
            else if (json.ValueTextEquals("leafWeight"u8))
            {
                leafWeight = UInt16(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new WeightDevice
        {
            Major = major ?? throw Missing("major"),
            Minor = minor ?? throw Missing("minor"),
            Weight = weight,
            LeafWeight = leafWeight,
        };
    }

    private static ThrottleDevice? ThrottleDeviceOf(ref Utf8JsonReader json)
    {
        if (!Begin(ref json))
        {
            return null;
        }

        long? major = null;
        long? minor = null;
        ulong? rate = null;
        while (Next(ref json))
        {
            if (json.ValueTextEquals("major"u8))
            {
                major = Int64(ref json);
            }
            else if (json.ValueTextEquals("minor"u8))
            {
                minor = Int64(ref json);
            }
            else if (json.ValueTextEquals("rate"u8))
            {
                rate = UInt64(ref json);
            }
            else
            {
                Skip(ref json);
            }
        }

        return new ThrottleDevice
        {
            Major = major ?? throw Missing("major"),
            Minor = minor ?? throw Missing("minor"),
            Rate = rate ?? 0,
        };
    }
}
