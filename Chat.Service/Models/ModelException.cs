namespace Chat.Service.Models;

/// <summary>A model failed. The sentence is for operators and holds no secrets.</summary>
/// <param name="message">The sentence.</param>
internal sealed class ModelException(string message) : Exception(message);
