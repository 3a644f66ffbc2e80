using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Identity.Service;

/// <summary>
/// Wrong passwords that belong together, a row of <c>login_failures</c>: for a user at an address, for a user at all
/// addresses, or from an address for all users.
/// </summary>
public sealed class LoginFailures
{
    /// <summary>
    /// A hash of what they have in common. Not the names themselves: people type passwords into the name field.
    /// </summary>
    public Guid Key { get; init; }

    /// <summary>How many in a row.</summary>
    public int Failures { get; init; }

    /// <summary>When the last one came.</summary>
    public DateTimeOffset FailedAt { get; init; }

    /// <summary>Until when no password is looked at; <c>-infinity</c> when none is kept from being.</summary>
    public DateTimeOffset LockedUntil { get; init; }

    /// <summary>Of a user at an address: until when the user is known there, by a login that succeeded.</summary>
    public DateTimeOffset? TrustedUntil { get; init; }
}

/// <summary>The rows that an attempt to log in belongs to.</summary>
/// <param name="User">The user at this address.</param>
/// <param name="Account">The user at all addresses.</param>
/// <param name="Source">The address for all users.</param>
/// <param name="Address">The address, for the log.</param>
internal sealed record LoginAttempt(Guid User, Guid Account, Guid Source, string Address)
{
    private const int NetworkBytes = 7;

    /// <summary>Names the rows.</summary>
    /// <param name="name">The normalised name.</param>
    /// <param name="address">Where the attempt comes from.</param>
    /// <param name="secret">
    /// Without it, rows do not tell who they are about: names and addresses are too few not to be guessed.
    /// </param>
    public static LoginAttempt Of(string name, IPAddress? address, string secret)
    {
        var source = Network(address);
        return new(Key("user", source, name), Key("account", name), Key("address", source), source);

        Guid Key(params string[] parts) => new(
            HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(string.Join('\n', parts)))
                .AsSpan(0, 16),
            bigEndian: true);
    }

    /// <summary>
    /// An IPv4 address, or the 56 bits of an IPv6 address that a provider gives to one household (RFC 6177): the rest
    /// the customer chooses.
    /// </summary>
    private static string Network(IPAddress? address)
    {
        if (address is { IsIPv4MappedToIPv6: true })
        {
            address = address.MapToIPv4();
        }

        if (address is not { AddressFamily: AddressFamily.InterNetworkV6 })
        {
            return address?.ToString() ?? "unknown";
        }

        var bytes = address.GetAddressBytes();
        Array.Clear(bytes, NetworkBytes, bytes.Length - NetworkBytes);
        return $"{new IPAddress(bytes)}/56";
    }
}
