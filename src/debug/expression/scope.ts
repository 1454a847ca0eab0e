import type { MachineView, RegisterId } from '../../machine/view/machine-view.ts';
import { F, PC, X } from '../../machine/view/machine-view.ts';
import { readVirtual } from '../../machine/view/virtual-memory.ts';
import { stripped, type Type } from '../../symbols/dwarf/types.ts';
import { framesOf, type ProgramFrame } from '../frames.ts';
import type { GuestInfo } from '../guest-info.ts';
import { DebugError } from '../target.ts';
import { valueText } from '../values/format.ts';
import { TypedValue, type ValueSource } from '../values/value.ts';
import { WORD } from './builtin.ts';
import { evaluate, member, type Scope, truth } from './evaluate.ts';
import { type NameScope, type Node, parseExpression, partsOf } from './parse.ts';
import { registerNamed } from './registers.ts';

const FLOATS = 32;
const SP = 2;

/** The names of a frame of a hart or thread. */
export class FrameScope implements Scope, NameScope {
  readonly source: ValueSource;
  private readonly frame: ProgramFrame;
  private readonly guestInfo: GuestInfo;
  private readonly read: (id: RegisterId) => bigint | undefined;
  private readonly more: Readonly<Record<string, bigint>>;

  /**
   * @param read registers that a frame has no own ones of, such as CSRs @param more names of numbers, e.g. `instant`
   */
  constructor(
    frame: ProgramFrame,
    guestInfo: GuestInfo,
    read: (id: RegisterId) => bigint | undefined,
    more: Readonly<Record<string, bigint>>,
  ) {
    this.frame = frame;
    this.guestInfo = guestInfo;
    this.read = read;
    this.more = more;
    this.source = frame.source;
  }

  variable(name: string): TypedValue {
    const local = this.frame.local(name) ?? this.ofThis(name);
    if (local !== undefined) return local;
    if (Object.hasOwn(this.more, name)) return this.word(this.more[name]);
    if (registerNamed(name)) return this.register(name);
    const global = this.frame.global(name);
    if (global !== undefined) return global;
    const address = this.guestInfo.address(name);
    if (address === undefined)
      throw new DebugError(`"${name}" is no variable here, no register and no symbol that is known`);
    return this.word(address);
  }

  register(name: string): TypedValue {
    const id = registerNamed(name);
    if (id === undefined) throw new DebugError(`there is no register ${name}`);
    const { register, pc } = this.frame.stack;
    const value =
      id.kind === 'pc'
        ? pc
        : id.kind === 'x'
          ? register(id.number)
          : id.kind === 'f'
            ? register(id.number + FLOATS)
            : this.read(id);
    if (value === undefined) throw new DebugError(`${name} is not known in this frame`);
    return this.word(value);
  }

  type(name: string): Type | undefined {
    for (const file of this.guestInfo.files) {
      const entry = file.debugInfo?.global(name, this.frame.unit, true);
      if (entry) return entry.unit.info.types.of(entry);
    }
    return undefined;
  }

  /** A member of the object that a C++ function is called on. */
  private ofThis(name: string): TypedValue | undefined {
    const object = name === 'this' ? undefined : this.frame.local('this');
    if (object === undefined || object.missing !== undefined) return undefined;
    try {
      return member(object, name);
    } catch (e) {
      if (e instanceof DebugError) return undefined;
      throw e;
    }
  }

  private word(value: bigint): TypedValue {
    return TypedValue.of(this.source, WORD, value);
  }
}

/** The scope of the innermost frame of a hart, without its callers: quick enough for conditions. */
function scopeAt(view: MachineView, hart: number, guestInfo: GuestInfo, loaded?: Loaded): FrameScope {
  const read = (id: RegisterId): bigint | undefined => view.readRegister(hart, id);
  const register = (n: number): bigint | undefined => read(n < FLOATS ? X(n) : F(n - FLOATS));
  const pc = read(PC) ?? 0n;
  const stack = { pc, at: pc, sp: register(SP) ?? 0n, register };
  const memory = (address: bigint, length: number): Uint8Array => {
    loaded?.(address, length);
    return readVirtual(view, hart, address, length);
  };
  const [frame] = framesOf(guestInfo, [stack], memory);
  return new FrameScope(frame, guestInfo, read, namesOf(view, hart));
}

/** Names that expressions have besides a program's: where the machine is. */
export const namesOf = (view: MachineView, hart: number): Readonly<Record<string, bigint>> => ({
  instant: BigInt(view.instant.instructions),
  hart: BigInt(hart),
});

/** A value for people: one without a type in hexadecimal, with the name of what is there. */
export const shown = (value: TypedValue, guestInfo: GuestInfo, hex = false): string =>
  value.type === WORD && value.place === undefined ? guestInfo.describe(value.raw) : valueText(value, hex);

/** An expression that is read once. Its names are looked up where it is evaluated; it is wrong now if it could be right nowhere. */
function prepared(text: string): (scope: FrameScope) => TypedValue {
  let node: Node | undefined;
  // What is a type depends on the place: a cast of an unknown one is told at the first hit.
  parseExpression(text, { type: () => WORD });
  return (scope) => evaluate((node ??= parseExpression(text, scope)), scope);
}

/** The address that an expression means: where a pointer leads to, where an object or function lies, or a number. @throws DebugError where it means none */
export function addressMeant(text: string, guestInfo: GuestInfo, view: MachineView, hart: number): bigint {
  const value = prepared(text)(scopeAt(view, hart, guestInfo)).referred;
  const pointer = stripped(value.type).kind === 'pointer';
  return BigInt.asUintN(64, pointer || value.address === undefined ? value.number : value.address);
}

/** Hears what memory an expression reads while it is evaluated. */
type Loaded = (address: bigint, length: number) => void;

/** An expression as a number of 64 bits. @throws DebugError where it has none */
export type Compiled = (view: MachineView, hart: number, loaded?: Loaded) => bigint;

/** Reads an expression, and tells whether it reads registers. @throws DebugError telling what cannot be read */
export function compileWatched(
  text: string,
  guestInfo: GuestInfo,
): { readonly value: Compiled; readonly registers: boolean } {
  const e = prepared(text);
  const node = parseExpression(text, { type: () => WORD });
  let registers = false;
  for (const part of partsOf(node)) {
    if (part.kind === 'register') registers = true;
    if (part.kind !== 'name') continue;
    const { name } = part;
    if (name === 'instant' || name === 'hart' || registerNamed(name)) registers = true;
    else if (guestInfo.address(name) === undefined && !guestInfo.files.some((f) => f.debugInfo?.global(name)))
      throw new DebugError(`"${name}" is no register and no symbol that is known`);
  }
  return {
    registers,
    value: (view, hart, loaded) => BigInt.asUintN(64, e(scopeAt(view, hart, guestInfo, loaded)).referred.number),
  };
}

/** A condition for a breakpoint: true also when it cannot be evaluated, so that nothing is missed. @throws DebugError when it cannot be read */
export function condition(text: string, guestInfo: GuestInfo): (view: MachineView, hart: number) => boolean {
  const e = prepared(text);
  return (view, hart) => {
    try {
      return truth(e(scopeAt(view, hart, guestInfo)));
    } catch (error) {
      if (error instanceof DebugError || error instanceof RangeError) return true;
      throw error;
    }
  };
}

/** A log message: text with expressions in braces. @throws DebugError when one cannot be read */
export function logMessage(text: string, guestInfo: GuestInfo): (view: MachineView, hart: number) => string {
  const parts = text.split(/\{([^{}]*)\}/).map((part, i) => (i % 2 === 0 ? part : prepared(part)));
  return (view, hart) => {
    const scope = scopeAt(view, hart, guestInfo);
    return parts
      .map((part) => {
        if (typeof part === 'string') return part;
        try {
          return shown(part(scope), guestInfo);
        } catch (error) {
          if (error instanceof DebugError || error instanceof RangeError) return `<${error.message}>`;
          throw error;
        }
      })
      .join('');
  };
}
