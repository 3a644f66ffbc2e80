namespace Identity.Service;

/// <summary>
/// What security monitoring looks for, by stable event names. Never with passwords, tokens or names typed by unknown
/// callers: people type passwords into the name field.
/// </summary>
internal sealed partial class SecurityLog(ILogger<SecurityLog> logger)
{
    [LoggerMessage(1001, LogLevel.Information, "User {UserId} registered", EventName = "UserRegistered")]
    public partial void Registered(long userId);

    [LoggerMessage(1002, LogLevel.Information, "User {UserId} logged in", EventName = "LoginSucceeded")]
    public partial void LoginSucceeded(long userId);

    [LoggerMessage(
        1003, LogLevel.Warning, "User {UserId} sent a wrong password from {Address}", EventName = "LoginFailed")]
    public partial void LoginFailed(long userId, string address);

    [LoggerMessage(
        1004, LogLevel.Warning, "A login from {Address} failed: unknown user", EventName = "LoginFailedUnknownUser")]
    public partial void LoginFailedUnknownUser(string address);

    [LoggerMessage(1005, LogLevel.Information, "User {UserId} refreshed a token", EventName = "TokenRefreshed")]
    public partial void TokenRefreshed(string? userId);

    [LoggerMessage(1006, LogLevel.Warning, "A refresh token was refused: {Reason}", EventName = "TokenRefreshRefused")]
    public partial void TokenRefreshRefused(string? reason);

    [LoggerMessage(1007, LogLevel.Information, "User {UserId} logged out of {SessionId}", EventName = "LoggedOut")]
    public partial void LoggedOut(string? userId, string sessionId);

    [LoggerMessage(1008, LogLevel.Information, "Client {ClientId} got a token", EventName = "ClientTokenIssued")]
    public partial void ClientTokenIssued(string clientId);

    [LoggerMessage(1009, LogLevel.Warning, "User {UserId} became admin", EventName = "AdminAppointed")]
    public partial void AdminAppointed(long userId);

    [LoggerMessage(
        1010,
        LogLevel.Error,
        "User {UserId} has the name Admin:Username and not the role, and is not given it. Choose another name.",
        EventName = "AdminNameTaken")]
    public partial void AdminNameTaken(long userId);

    [LoggerMessage(
        1020,
        LogLevel.Warning,
        "A refresh token was used again: the session {SessionId} is revoked",
        EventName = "TokenReplayed")]
    public partial void TokenReplayed(string sessionId);

    [LoggerMessage(
        1021,
        LogLevel.Warning,
        "Locked {Scope} for {Seconds} s after wrong passwords: user {UserId}, {Address}",
        EventName = "LockedOut")]
    public partial void LockedOut(string scope, long? userId, string address, double seconds);

    [LoggerMessage(1022, LogLevel.Warning, "Refused a locked login from {Address}", EventName = "LoginLocked")]
    public partial void LoginLocked(string address);

    [LoggerMessage(1023, LogLevel.Warning, "Refused a login: too many wait", EventName = "TooManyLogins")]
    public partial void TooManyLogins();

    [LoggerMessage(
        1024, LogLevel.Information, "The password of user {UserId} was hashed anew", EventName = "PasswordRehashed")]
    public partial void PasswordRehashed(long userId);

    [LoggerMessage(1025, LogLevel.Warning, "User {UserId} changed the password", EventName = "PasswordChanged")]
    public partial void PasswordChanged(long userId);

    [LoggerMessage(1028, LogLevel.Warning, "User {UserId} leaves", EventName = "UserLeft")]
    public partial void UserLeft(long userId);

    [LoggerMessage(
        1029,
        LogLevel.Warning,
        "A refresh token of the session {SessionId} was used again, a moment later",
        EventName = "TokenReused")]
    public partial void TokenReused(string? sessionId);

    [LoggerMessage(1030, LogLevel.Warning, "A client was refused: {Reason}", EventName = "ClientRefused")]
    public partial void ClientRefused(string? reason);

    [LoggerMessage(1026, LogLevel.Warning, "Nothing is left of user {UserId}", EventName = "UserDeleted")]
    public partial void UserDeleted(long userId);

    [LoggerMessage(
        1027, LogLevel.Error, "User {UserId} has left and cannot be deleted whole yet", EventName = "UserNotDeleted")]
    public partial void UserNotDeleted(Exception exception, long userId);

    [LoggerMessage(1031, LogLevel.Warning, "User {UserId} created API key {KeyId}", EventName = "ApiKeyCreated")]
    public partial void ApiKeyCreated(long userId, long keyId);

    [LoggerMessage(1032, LogLevel.Warning, "User {UserId} changed API key {KeyId}", EventName = "ApiKeyChanged")]
    public partial void ApiKeyChanged(long userId, long keyId);

    [LoggerMessage(1033, LogLevel.Warning, "User {UserId} revoked API key {KeyId}", EventName = "ApiKeyRevoked")]
    public partial void ApiKeyRevoked(long userId, long keyId);
}
