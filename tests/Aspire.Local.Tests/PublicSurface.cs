using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Aspire.Local.Tests;

/// <summary>
/// What others can use of an assembly, one line per assembly, namespace, type and member, each indented under what it
/// belongs to: the format of Signatures.txt.
/// </summary>
internal static class PublicSurface
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
        | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>The lines of an assembly.</summary>
    public static IEnumerable<string> Of(Assembly assembly)
    {
        yield return $"assembly {assembly.GetName().Name}";
        foreach (var types in assembly.GetTypes().Where(IsVisible).GroupBy(type => type.Namespace).OrderBy(n => n.Key))
        {
            yield return $"  namespace {types.Key}";
            foreach (var type in types.OrderBy(CSharp.NameOf, StringComparer.Ordinal))
            {
                yield return $"    {Kind(type)} {CSharp.NameOf(type)}{CSharp.Constraints(type.GetGenericArguments())}";
                foreach (var member in Parents(type).Concat(Members(type).Order(StringComparer.Ordinal)))
                {
                    yield return $"      {member}";
                }
            }
        }
    }

    private static bool IsVisible(Type type) => type.IsPublic
        || (type.DeclaringType is { } outer && IsVisible(outer)
            && (type.IsNestedPublic || (!outer.IsSealed && (type.IsNestedFamily || type.IsNestedFamORAssem))));

    /// <summary>Whether a member is there for callers, or for types that derive.</summary>
    private static bool IsVisible(MethodBase? method) => method is { IsPublic: true }
        || (method is { IsFamily: true } or { IsFamilyOrAssembly: true } && !method.DeclaringType!.IsSealed);

    private static string Kind(Type type) => type switch
    {
        { IsInterface: true } => "interface",
        { IsEnum: true } => "enum",
        { IsValueType: true } => (Has<IsReadOnlyAttribute>(type) ? "readonly " : "")
            + (type.IsByRefLike ? "ref " : "") + (IsRecord(type) ? "record struct" : "struct"),
        { IsAbstract: true, IsSealed: true } => "static class",
        _ => (type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "") + (IsRecord(type) ? "record" : "class"),
    };

    /// <summary>Records have a method of this name that no one can write.</summary>
    private static bool IsRecord(Type type) => type.IsValueType
        ? type.GetMethod("PrintMembers", Declared) is { } print && Has<CompilerGeneratedAttribute>(print)
        : type.GetMethod("<Clone>$", Declared) is not null;

    private static IEnumerable<string> Parents(Type type)
    {
        if (type.IsEnum)
        {
            return [];
        }

        var own = type.GetInterfaces().Except(type.IsValueType ? [] : type.BaseType?.GetInterfaces() ?? [])
            .Where(face => IsVisible(face) && !(IsRecord(type) && face.Name == "IEquatable`1"))
            .Select(face => $"is {CSharp.Show(face)}").Order(StringComparer.Ordinal);
        return type is { IsClass: true, BaseType: { } parent } && parent != typeof(object)
            ? own.Prepend($"base {CSharp.Show(parent)}")
            : own;
    }

    private static IEnumerable<string> Members(Type type) =>
    [
        .. type.GetFields(Declared).Where(field => field.IsPublic && !field.IsSpecialName).Select(Field),
        .. type.GetConstructors(Declared)
            .Where(constructor => IsVisible(constructor) && !Has<CompilerGeneratedAttribute>(constructor))
            .Select(constructor => $"{Modifiers(constructor)}{CSharp.ShortName(type)}({Parameters(constructor)})"),
        .. type.GetProperties(Declared)
            .Where(property => property.Name != "EqualityContract" && property.GetAccessors(true).Any(IsVisible))
            .Select(Property),
        .. type.GetEvents(Declared).Where(@event => IsVisible(@event.AddMethod)).Select(
            @event => $"{Modifiers(@event.AddMethod!)}event {CSharp.Show(@event.EventHandlerType!)} {@event.Name}"),
        .. type.GetMethods(Declared)
            .Where(method => IsVisible(method) && !Has<CompilerGeneratedAttribute>(method)
                && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)))
            .Select(Method),
    ];

    private static string Field(FieldInfo field) => field switch
    {
        { DeclaringType.IsEnum: true } =>
            string.Create(CultureInfo.InvariantCulture, $"{field.Name} = {field.GetRawConstantValue()}"),
        { IsLiteral: true } => $"const {CSharp.Show(field)} {field.Name} = "
            + CSharp.Literal(field.GetRawConstantValue(), field.FieldType),
        _ => (field.IsStatic ? "static " : "") + (field.IsInitOnly ? "readonly " : "")
            + $"{CSharp.Show(field)} {field.Name}",
    };

    private static string Property(PropertyInfo property)
    {
        var (get, set) = (property.GetMethod, property.SetMethod);
        var widest = IsVisible(get) && (get!.IsPublic || !IsVisible(set)) ? get : set!;
        var isInit = set?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ?? false;
        var parameters = property.GetIndexParameters();
        var name = parameters.Length == 0 ? property.Name : $"this[{CSharp.Parameters(parameters, false)}]";
        return $"{Modifiers(widest)}{(Has<RequiredMemberAttribute>(property) ? "required " : "")}"
            + $"{CSharp.Show(property)} {name} {{ {Accessor(get, "get")}{Accessor(set, isInit ? "init" : "set")}}}";

        string Accessor(MethodInfo? accessor, string word) => !IsVisible(accessor) ? ""
            : (accessor!.IsPublic || !widest.IsPublic ? "" : "protected ") + $"{word}; ";
    }

    private static string Method(MethodInfo method)
    {
        var returned = (method.ReturnType.IsByRef ? "ref " : "") + CSharp.Show(method.ReturnParameter);
        if (method.Name is "op_Implicit" or "op_Explicit")
        {
            var conversion = method.Name == "op_Implicit" ? "implicit" : "explicit";
            return $"static {conversion} operator {returned}({Parameters(method)})";
        }

        var generic = method.IsGenericMethod ? CSharp.Arguments(method.GetGenericArguments()) : "";
        var constraints = method.IsGenericMethod ? CSharp.Constraints(method.GetGenericArguments()) : "";
        return $"{Modifiers(method)}{returned} {method.Name}{generic}({Parameters(method)}){constraints}";
    }

    private static string Parameters(MethodBase method) =>
        CSharp.Parameters(method.GetParameters(), isExtension: Has<ExtensionAttribute>(method));

    private static string Modifiers(MethodBase method)
    {
        var access = method.IsPublic ? "" : "protected ";
        if (method.IsStatic || method.IsConstructor)
        {
            return access + (method.IsStatic ? "static " : "");
        }

        if (method.DeclaringType!.IsInterface)
        {
            return access + (method.IsAbstract ? "" : "virtual "); // It has a body.
        }

        var isOverride = ((MethodInfo)method).GetBaseDefinition().DeclaringType != method.DeclaringType;
        return access + (method.IsAbstract ? "abstract " : "") + (isOverride
            ? method is { IsFinal: true, DeclaringType.IsSealed: false } ? "sealed override " : "override "
            : method is { IsVirtual: true, IsFinal: false, IsAbstract: false } ? "virtual " : "");
    }

    private static bool Has<TAttribute>(MemberInfo member) where TAttribute : Attribute =>
        member.IsDefined(typeof(TAttribute), inherit: false);
}
