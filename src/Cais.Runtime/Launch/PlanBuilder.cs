using Cais.Linux;

namespace Cais.Runtime.Launch;

/// <summary>An argument of an operation: a value known now, or a register whose value is known when the plan runs.</summary>
internal readonly record struct Arg(nint Value, bool IsRegister)
{
    public static implicit operator Arg(nint value) => new(value, false);

    public static implicit operator Arg(int value) => new(value, false);

    public static implicit operator Arg(Register register) => new(register.Index, true);
}

/// <summary>Holds a result (mostly a file descriptor) for later operations.</summary>
internal readonly record struct Register(byte Index);

/// <summary>A place in the plan that is jumped to, perhaps before it is known.</summary>
internal sealed class Label
{
    public int Target { get; set; } = -1;

    /// <summary>Operations whose goto (1 to 3), or argument A (0), D (4) or E (5), waits for the target.</summary>
    public List<(int Operation, int Field)> Waiting { get; } = [];
}

/// <summary>Writes operations one after another. What they are for is the business of the classes that use it.</summary>
internal sealed class PlanBuilder(LaunchPlan plan)
{
    public LaunchPlan Plan { get; } = plan;

    public Register NewRegister() => new(Plan.NewRegister());

    public int Call(Note note, int number, Arg a = default, Arg b = default, Arg c = default, Arg d = default, Arg e = default) =>
        Plan.Add(Make(number, a, b, c, d, e), note);

    /// <summary>As <see cref="Call"/>, keeping the result.</summary>
    public Register Result(Note note, int number, Arg a = default, Arg b = default, Arg c = default, Arg d = default, Arg e = default)
    {
        var register = NewRegister();
        ResultInto(register, note, number, a, b, c, d, e);
        return register;
    }

    public int ResultInto(
        Register register, Note note, int number, Arg a = default, Arg b = default, Arg c = default, Arg d = default, Arg e = default)
    {
        var op = Make(number, a, b, c, d, e);
        op.Result = register.Index;
        return Plan.Add(op, note);
    }

    /// <summary>The last operation may fail with <paramref name="errno"/>; the plan then goes on at <paramref name="label"/>.</summary>
    public PlanBuilder On(Errno errno, Label label)
    {
        ref var op = ref Plan[Plan.Count - 1];
        if (op.Errno1 == 0)
        {
            op.Errno1 = (int)errno;
            Resolve(label, Plan.Count - 1, 1);
        }
        else if (op.Errno2 == 0)
        {
            op.Errno2 = (int)errno;
            Resolve(label, Plan.Count - 1, 2);
        }
        else if (op.Errno3 == 0)
        {
            op.Errno3 = (int)errno;
            Resolve(label, Plan.Count - 1, 3);
        }
        else
        {
            throw new InvalidOperationException("an operation can treat three errors");
        }

        return this;
    }

    /// <summary>The last operation may fail in any way; the plan then goes on at <paramref name="label"/>.</summary>
    public PlanBuilder OnAny(Label label) => On((Errno)Op.AnyError, label);

    /// <summary>The last operation may fail with <paramref name="errno"/>; the plan goes on as if nothing had been asked.</summary>
    public PlanBuilder Ignore(Errno errno)
    {
        var next = new Label { Target = Plan.Count };
        return On(errno, next);
    }

    public PlanBuilder IgnoreAll() => Ignore((Errno)Op.AnyError);

    /// <summary>If the last operation fails, <paramref name="context"/> (of fsopen) is asked for the filesystem's own words.</summary>
    public PlanBuilder ExplainedBy(Register context)
    {
        Plan[Plan.Count - 1].Context = context.Index;
        return this;
    }

    public PlanBuilder With(OpFlags flags)
    {
        Plan[Plan.Count - 1].Flags |= flags;
        return this;
    }

    public void Jump(Label label)
    {
        var at = Plan.Add(Make(Pseudo.Jump, 0, 0, 0, 0, 0), new Note("go on"));
        Resolve(label, at, 0);
    }

    public void JumpIfEqual(nint address, nint mask, nint value, Label label, Note note)
    {
        var at = Plan.Add(Make(Pseudo.JumpIfEqual, address, mask, value, 0, 0), note);
        Resolve(label, at, 4);
    }

    public void Set(Register register, nint value, Note note) => Plan.Add(Make(Pseudo.Set, (nint)register.Index, value, 0, 0, 0), note);

    public void Store(nint address, Register register) =>
        Plan.Add(Make(Pseudo.Store, address, register, 0, 0, 0), new Note("fill in a descriptor"));

    public void Load16(Register register, nint address, int mask) =>
        Plan.Add(Make(Pseudo.Load16, (nint)register.Index, address, mask, 0, 0), new Note("take a field of a result"));

    public void Fail(Errno errno, Note note) => Plan.Add(Make(Pseudo.Fail, (nint)errno, 0, 0, 0, 0), note);

    public void Return() => Plan.Add(Make(Pseudo.Return, 0, 0, 0, 0, 0), new Note("the parent is done"));

    /// <summary>clone3 whose child goes on at <paramref name="child"/>.</summary>
    public void Fork(Register pid, nint arguments, int size, Label child, Note note)
    {
        var at = ResultInto(pid, note, SystemCall.Clone3, arguments, size);
        Plan[at].Flags |= OpFlags.Fork;
        Resolve(child, at, 5);
    }

    public void Mark(Label label)
    {
        label.Target = Plan.Count;
        foreach (var (operation, field) in label.Waiting)
        {
            Fill(operation, field, label.Target);
        }

        label.Waiting.Clear();
    }

    private void Resolve(Label label, int operation, int field)
    {
        if (label.Target >= 0)
        {
            Fill(operation, field, label.Target);
        }
        else
        {
            label.Waiting.Add((operation, field));
        }
    }

    private void Fill(int operation, int field, int target)
    {
        ref var op = ref Plan[operation];
        switch (field)
        {
            case 0: op.A = target; break;
            case 1: op.Goto1 = target; break;
            case 2: op.Goto2 = target; break;
            case 3: op.Goto3 = target; break;
            case 4: op.D = target; break;
            default: op.E = target; break;
        }
    }

    private static Op Make(int number, Arg a, Arg b, Arg c, Arg d, Arg e) => new()
    {
        Number = number,
        Result = Op.NoRegister,
        Context = Op.NoRegister,
        Registers = (byte)((a.IsRegister ? 1 : 0) | (b.IsRegister ? 2 : 0) | (c.IsRegister ? 4 : 0) | (d.IsRegister ? 8 : 0) | (e.IsRegister ? 16 : 0)),
        A = a.Value,
        B = b.Value,
        C = c.Value,
        D = d.Value,
        E = e.Value,
    };
}
