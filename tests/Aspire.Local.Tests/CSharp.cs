using System.Globalization;
using System.Reflection;

namespace Aspire.Local.Tests;

/// <summary>Types and parameters as C# writes them, without namespaces.</summary>
internal static class CSharp
{
    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(char)] = "char",
        [typeof(byte)] = "byte",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(decimal)] = "decimal",
    };

    public static string Show(FieldInfo field) => Show(field.FieldType, new NullabilityInfoContext().Create(field));

    public static string Show(PropertyInfo property) =>
        Show(property.PropertyType, new NullabilityInfoContext().Create(property));

    public static string Show(ParameterInfo parameter) =>
        Show(parameter.ParameterType, new NullabilityInfoContext().Create(parameter));

    /// <summary>A type in use, with what is known about where it is null.</summary>
    public static string Show(Type type, NullabilityInfo? nullability = null)
    {
        if (type.IsByRef)
        {
            return Show(type.GetElementType()!, nullability);
        }

        var value = Nullable.GetUnderlyingType(type);
        var isNullable = value is not null
            || (!type.IsValueType && nullability is { ReadState: NullabilityState.Nullable });
        return Named(value ?? type, nullability) + (isNullable ? "?" : "");
    }

    /// <summary>The name of a type where it is declared, with its outer types and its type parameters.</summary>
    public static string NameOf(Type type) => Outer(type) + ShortName(type) + (type.IsGenericType
        ? Arguments(type.GetGenericArguments())
        : "");

    /// <summary>The name of a type as its constructors have it.</summary>
    public static string ShortName(Type type) => type.Name.Split('`')[0];

    /// <summary>Type parameters where they are declared.</summary>
    public static string Arguments(IEnumerable<Type> parameters) =>
        $"<{string.Join(", ", parameters.Select(parameter => Variance(parameter) + parameter.Name))}>";

    /// <summary>What type parameters are held to.</summary>
    public static string Constraints(IEnumerable<Type> parameters) => string.Concat(parameters.Select(parameter =>
    {
        var flags = parameter.GenericParameterAttributes;
        var isValue = flags.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint);
        List<string> words =
        [
            .. flags.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint) ? ["class"] : Array.Empty<string>(),
            .. isValue ? ["struct"] : Array.Empty<string>(),
            .. parameter.GetGenericParameterConstraints().Where(type => type != typeof(ValueType))
                .Select(type => Show(type)),
            .. flags.HasFlag(GenericParameterAttributes.DefaultConstructorConstraint) && !isValue
                ? ["new()"]
                : Array.Empty<string>(),
        ];
        return words.Count == 0 ? "" : $" where {parameter.Name} : {string.Join(", ", words)}";
    }));

    /// <summary>Parameters with their names and defaults.</summary>
    public static string Parameters(ParameterInfo[] parameters, bool isExtension) =>
        string.Join(", ", parameters.Select(parameter =>
            (isExtension && parameter.Position == 0 ? "this " : "")
            + (parameter.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "")
            + (parameter.ParameterType.IsByRef ? parameter.IsOut ? "out " : parameter.IsIn ? "in " : "ref " : "")
            + $"{Show(parameter)} {parameter.Name}"
            + (parameter.HasDefaultValue ? $" = {Literal(parameter.RawDefaultValue, parameter.ParameterType)}" : "")));

    /// <summary>A constant.</summary>
    public static string Literal(object? value, Type type) => value switch
    {
        null => type.IsValueType && Nullable.GetUnderlyingType(type) is null ? "default" : "null",
        string text => $"\"{text}\"",
        bool truth => truth ? "true" : "false",
        _ when type.IsEnum => $"{type.Name}.{Enum.GetName(type, value)}",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Named(Type type, NullabilityInfo? nullability)
    {
        if (Keywords.TryGetValue(type, out var keyword))
        {
            return keyword;
        }

        if (type.IsArray)
        {
            return $"{Show(type.GetElementType()!, nullability?.ElementType)}[]";
        }

        var arguments = type.GetGenericArguments().Index().Select(argument => Show(
            argument.Item, nullability?.GenericTypeArguments.ElementAtOrDefault(argument.Index)));
        return type.IsGenericParameter ? type.Name
            : Outer(type) + ShortName(type) + (type.IsGenericType ? $"<{string.Join(", ", arguments)}>" : "");
    }

    private static string Outer(Type type) =>
        type is { IsNested: true, IsGenericParameter: false } ? NameOf(type.DeclaringType!) + "." : "";

    private static string Variance(Type parameter) =>
        (parameter.GenericParameterAttributes & GenericParameterAttributes.VarianceMask) switch
        {
            GenericParameterAttributes.Covariant => "out ",
            GenericParameterAttributes.Contravariant => "in ",
            _ => "",
        };
}
