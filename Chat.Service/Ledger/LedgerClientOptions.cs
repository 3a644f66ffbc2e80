using System.ComponentModel.DataAnnotations;

namespace Chat.Service.Ledger;

/// <summary>The section <c>Ledger</c> of the configuration: how this service proves who it is.</summary>
internal sealed class LedgerClientOptions
{
    /// <summary>This service's client id.</summary>
    [Required]
    public string ClientId { get; init; } = "chat";

    /// <summary>Its secret; the same as <c>Clients:chat:Secret</c> of Identity.Service.</summary>
    [Required(ErrorMessage = "'Ledger:ClientSecret' is missing: set it to Identity.Service's 'Clients:chat:Secret'.")]
    public string ClientSecret { get; init; } = "";
}
