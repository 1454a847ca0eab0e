import type { CompiledScript, ExpressionCompiler, RunFrame } from './compile-expression.ts';
import type { ScriptEnvironment } from './environment.ts';
import { type Span, suggestion } from './script-error.ts';
import type { ScriptExpression, TypeName } from './syntax.ts';
import { SIGNED, STRING, textOf, typeText, UNSIGNED, type Value, wrap, zeroOf } from './values.ts';

export function compileMember(
  compiler: ExpressionCompiler,
  expression: Extract<ScriptExpression, { kind: 'member' }>,
): CompiledScript {
  const { field, fieldSpan } = expression;
  const object = compiler.expression(expression.object);
  if (object.type.kind === 'arguments') {
    const type = compiler.args.get(field);
    if (type === undefined) {
      const has =
        compiler.args.size === 0
          ? 'these probes bring none by name'
          : `expected one of ${[...compiler.args.keys()].join(', ')}`;
      return compiler.fail(fieldSpan, `there is no argument ${field}: ${has}`);
    }
    return { type, run: ({ context }) => context.argument(field) };
  }
  if (object.type.kind === 'tuple') {
    const type = object.type.items[Number(field)];
    if (type === undefined)
      return compiler.fail(fieldSpan, `this tuple has items 0 to ${object.type.items.length - 1}`);
    return { type, run: (frame) => (object.run(frame) as readonly Value[])[Number(field)] ?? zeroOf(type) };
  }
  const btf = btfOf(compiler, expression);
  const struct =
    object.type.kind === 'pointer' ? object.type.to : object.type.kind === 'object' ? object.type.type : undefined;
  const shape = struct === undefined ? undefined : btf.describe(struct);
  if (struct === undefined || shape?.kind !== 'structure')
    return compiler.fail(
      expression.object,
      `${typeText(object.type)} has no fields: cast it, for example  ((struct task_struct *)arg0)->${field}`,
    );
  const found = btf.field(struct, field);
  if (found === undefined)
    return compiler.fail(
      fieldSpan,
      `struct ${shape.name} has no field ${field}${suggestion(
        field,
        btf.members(struct).map(({ name }) => name),
      )}`,
    );
  const offset = BigInt(found.offset);
  const address = (frame: RunFrame): bigint => wrap((object.run(frame) as bigint) + offset, false);
  if (found.bits === undefined) return loadValue(compiler, found.type, address, fieldSpan);
  const { from, count } = found.bits;
  const mask = (1n << BigInt(count)) - 1n;
  return {
    type: UNSIGNED,
    run: (frame) => (frame.context.number(address(frame), found.size) >> BigInt(from)) & mask,
  };
}

/** What lies at an address, by its type. */
export function loadValue(
  compiler: ExpressionCompiler,
  type: number,
  address: (frame: RunFrame) => Value,
  span: Span,
): CompiledScript {
  const shape = btfOf(compiler, span).describe(type);
  switch (shape.kind) {
    case 'integer': {
      const { size, signed } = shape;
      const bits = size * 8;
      return {
        type: signed ? SIGNED : UNSIGNED,
        run: (frame) => {
          const value = frame.context.number(address(frame) as bigint, size);
          return signed ? BigInt.asIntN(bits, value) : value;
        },
      };
    }
    case 'pointer':
      return {
        type: { kind: 'pointer', to: shape.to },
        run: (frame) => frame.context.number(address(frame) as bigint, 8),
      };
    case 'array': {
      const item = btfOf(compiler, span).describe(shape.of);
      // Characters are a text, as names in the kernel are.
      if (item.kind !== 'integer' || item.size !== 1) return { type: { kind: 'object', type }, run: address };
      const { count } = shape;
      return { type: STRING, run: (frame) => textOf(frame.context.bytes(address(frame) as bigint, count)) };
    }
    case 'structure':
      return { type: { kind: 'object', type }, run: address };
    default:
      return compiler.fail(span, 'a value of this type cannot be read');
  }
}

export function compileIndex(
  compiler: ExpressionCompiler,
  { object, index, start, end }: Extract<ScriptExpression, { kind: 'index' }>,
): CompiledScript {
  const base = compiler.expression(object);
  const at = compiler.integer(index);
  const btf = btfOf(compiler, { start, end });
  const array = base.type.kind === 'object' ? btf.describe(base.type.type) : undefined;
  const of = base.type.kind === 'pointer' ? base.type.to : array?.kind === 'array' ? array.of : undefined;
  if (of === undefined) return compiler.fail(object, `${typeText(base.type)} is no array`);
  const size = BigInt(btf.sizeOf(of));
  return loadValue(
    compiler,
    of,
    (frame) => wrap((base.run(frame) as bigint) + size * (at.run(frame) as bigint), false),
    {
      start,
      end,
    },
  );
}

export function compileCast(
  compiler: ExpressionCompiler,
  { type, operand }: Extract<ScriptExpression, { kind: 'cast' }>,
): CompiledScript {
  const value = compiler.expression(operand);
  if (value.type.kind !== 'integer' && value.type.kind !== 'pointer')
    return compiler.fail(operand, `${typeText(value.type)} cannot be cast`);
  const { run } = value;
  const number = typeNumber(compiler, type);
  if (type.pointers > 0) {
    // A pointer to a pointer is a pointer to something of eight bytes.
    return {
      type: type.pointers === 1 ? { kind: 'pointer', to: number } : UNSIGNED,
      run: (frame) => wrap(run(frame) as bigint, false),
    };
  }
  const shape = btfOf(compiler, type).describe(number);
  if (shape.kind !== 'integer') return compiler.fail(type, 'a value can be cast to an integer type or a pointer');
  const bits = shape.size * 8;
  return shape.signed
    ? { type: SIGNED, run: (frame) => BigInt.asIntN(bits, run(frame) as bigint) }
    : { type: UNSIGNED, run: (frame) => BigInt.asUintN(bits, run(frame) as bigint) };
}

export function typeNumber(compiler: ExpressionCompiler, type: TypeName): number {
  if (type.name === 'void') return 0;
  const btf = btfOf(compiler, type);
  return (
    btf.named(type.name) ??
    compiler.fail(type, `the kernel has no type ${type.name}${suggestion(type.name, btf.typeNames())}`)
  );
}

export function btfOf(compiler: ExpressionCompiler, span: Span): NonNullable<ScriptEnvironment['btf']> {
  return (
    compiler.environment.btf ??
    compiler.fail(span, "the guest's kernel has no type information (BTF): fields and casts need it")
  );
}
