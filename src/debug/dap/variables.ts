import { CSR_NAMES, csrName, FLOAT_REGISTERS, INTEGER_REGISTERS, PRIVILEGES } from '../../isa/names.ts';
import { CSR, PRV, type RegisterId } from '../../machine/view/machine-view.ts';
import { formatInstant } from '../../record/divergence.ts';
import { stripped, typeName } from '../../symbols/dwarf/types.ts';
import { WORD } from '../expression/builtin.ts';
import { evaluate } from '../expression/evaluate.ts';
import { parseStatement } from '../expression/parse.ts';
import { registerNamed } from '../expression/registers.ts';
import { FrameScope, namesOf, shown } from '../expression/scope.ts';
import { framesOf, type ProgramFrame, type Variable } from '../frames.ts';
import type { Inferior } from '../inferior.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import { assign } from '../values/assign.ts';
import { childrenOf, partsOf } from '../values/children.ts';
import type { TypedValue } from '../values/value.ts';
import type { Arguments } from './arguments.ts';
import { Handles } from './handles.ts';

const FLOATS = 32;
const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** A frame as clients name it. */
export interface FramePlace {
  readonly thread: number;
  readonly index: number;
  readonly frame: ProgramFrame;
}

type RegisterGroup = 'integer' | 'float' | 'control' | 'machine';
const GROUPS: readonly (readonly [RegisterGroup, string])[] = [
  ['integer', 'Integer registers'],
  ['float', 'Floating-point registers'],
  ['control', 'Control registers'],
  ['machine', 'Machine'],
];

/** What a variables reference stands for. */
type Container =
  | { readonly kind: 'registers'; readonly group: RegisterGroup; readonly at: FramePlace }
  | { readonly kind: 'list'; readonly list: () => readonly Variable[]; readonly at: FramePlace }
  | { readonly kind: 'value'; readonly value: TypedValue; readonly expression: string; readonly at: FramePlace };

/** Frames, variables and expressions of a stopped inferior. */
export class Variables {
  private readonly target: DebugTarget;
  private readonly monitor: Monitor;
  private readonly inferior: () => Inferior;
  private readonly writable: () => Promise<void>;
  private readonly containers = new Handles<Container>();
  private readonly places = new Handles<FramePlace>();
  private readonly stacks = new Map<number, readonly (FramePlace & { readonly id: number })[]>();

  /** @param writable makes the machine one that can be written to @throws what that throws, from whatever writes */
  constructor(target: DebugTarget, monitor: Monitor, inferior: () => Inferior, writable: () => Promise<void>) {
    this.target = target;
    this.monitor = monitor;
    this.inferior = inferior;
    this.writable = writable;
  }

  /** The machine has moved or was written to. */
  clear(): void {
    this.containers.clear();
    this.places.clear();
    this.stacks.clear();
  }

  /** The frames of a thread, the innermost first. */
  frames(thread: number): readonly (FramePlace & { readonly id: number })[] {
    let stack = this.stacks.get(thread);
    if (stack === undefined) {
      const inferior = this.inferior();
      const frames = framesOf(this.monitor.guestInfo, inferior.backtrace(thread), (a, n) =>
        inferior.readMemory(thread, a, n),
      );
      stack = frames.map((frame, index) => ({ id: this.places.add({ thread, index, frame }), thread, index, frame }));
      this.stacks.set(thread, stack);
    }
    return stack;
  }

  /** A frame by its number, or the innermost of the active thread. @throws DebugError when it is not known any more */
  place(frameId: number | undefined): FramePlace {
    if (frameId === undefined) return this.frames(this.inferior().activeThread())[0];
    const place = this.places.get(frameId);
    if (place === undefined) throw new DebugError('this frame is not known any more: the machine has moved');
    return place;
  }

  /** The thread that a frame is of. */
  threadOf(frameId: number | undefined): number {
    return frameId === undefined ? this.inferior().activeThread() : this.place(frameId).thread;
  }

  /** A part of what a variables reference stands for. @throws DebugError when it has none of that name */
  part(reference: number, name: string): TypedValue {
    const container = this.containers.get(reference);
    const value =
      container?.kind === 'list'
        ? unique(container.list()).find((v) => v.name === name)?.value
        : container?.kind === 'value'
          ? childrenOf(container.value).find((c) => c.name === name)?.value
          : container?.kind === 'registers'
            ? this.scope(container.at).register(name)
            : undefined;
    if (value === undefined) throw new DebugError(`there is no ${name}`);
    return value;
  }

  scopes(args: Arguments): object {
    const at = this.place(args.number('frameId'));
    const variables = at.frame.variables();
    const parameters = variables.filter((v) => v.parameter);
    const locals = variables.filter((v) => !v.parameter);
    const scope = (name: string, list: () => readonly Variable[], more: object): object => ({
      name,
      variablesReference: this.containers.add({ kind: 'list', list, at }),
      ...more,
    });
    return {
      scopes: [
        ...(parameters.length > 0
          ? [
              scope('Arguments', () => parameters, {
                presentationHint: 'arguments',
                expensive: false,
                namedVariables: parameters.length,
              }),
            ]
          : []),
        ...(at.frame.instance
          ? [
              scope('Locals', () => locals, {
                presentationHint: 'locals',
                expensive: false,
                namedVariables: locals.length,
              }),
              scope('Globals of the file', () => at.frame.fileVariables(), { expensive: true }),
            ]
          : []),
        ...GROUPS.map(([group, name]) => ({
          name,
          variablesReference: this.containers.add({ kind: 'registers', group, at }),
          expensive: group !== 'integer',
          ...(group === 'machine' ? {} : { presentationHint: 'registers' }),
        })),
      ],
    };
  }

  variables(args: Arguments): object {
    const container = this.container(args);
    const asHex = args.object('format').flag('hex');
    const { at } = container;
    switch (container.kind) {
      case 'registers':
        return { variables: this.registers(container.group, at) };
      case 'list':
        return {
          variables: unique(container.list()).map(({ name, value }) => this.described(name, value, name, at, asHex)),
        };
      case 'value': {
        const parts = childrenOf(
          container.value,
          args.optionalNumber('start') ?? 0,
          args.optionalNumber('count') || undefined,
        );
        return {
          variables: parts.map((c) => this.described(c.name, c.value, c.expression(container.expression), at, asHex)),
        };
      }
    }
  }

  /** Sets a register, a variable or a part of one. */
  async set(args: Arguments): Promise<object> {
    const container = this.container(args);
    const name = args.text('name');
    const { at } = container;
    if (container.kind === 'registers') {
      const id = registerNamed(name);
      if (!id) throw new DebugError(`"${name}" cannot be set`);
      const target = this.scope(at).register(name);
      await this.setRegister(id, this.evaluated(args.text('value'), at).number, at);
      return { value: hex(this.fresh(at, (f) => this.scope(f).register(name).raw) ?? target.raw) };
    }
    const expression =
      container.kind === 'list'
        ? name
        : childrenOf(container.value)
            .find((c) => c.name === name)
            ?.expression(container.expression);
    if (expression === undefined) throw new DebugError(`there is no ${name}`);
    return this.assign(expression, args.text('value'), at);
  }

  setExpression(args: Arguments): Promise<object> {
    return this.assign(args.text('expression'), args.text('value'), this.place(args.optionalNumber('frameId')));
  }

  /** An expression's value, or what an assignment made. @throws DebugError */
  async evaluate(text: string, at: FramePlace, asHex: boolean): Promise<object> {
    const scope = this.scope(at);
    const { target, value, hex: format } = parseStatement(text, scope);
    if (target !== undefined) {
      const m = /^(.*?[^=!<>])=(?!=)(.*)$/s.exec(text);
      return renamed(await this.assign(m?.[1] ?? text, m?.[2] ?? '', at));
    }
    const { value: result, ...rest } = this.described('', evaluate(value, scope), text, at, asHex || format) as Record<
      string,
      unknown
    >;
    return { result, ...without(rest, ['name', 'evaluateName']) };
  }

  /** What an expression is worth in a frame. @throws DebugError */
  evaluated(text: string, at: FramePlace): TypedValue {
    const scope = this.scope(at);
    return evaluate(parseStatement(text, scope).value, scope);
  }

  /** The names of a frame. */
  scope({ thread, frame }: FramePlace): FrameScope {
    const inferior = this.inferior();
    return new FrameScope(
      frame,
      this.monitor.guestInfo,
      (id) => inferior.readRegister(thread, id),
      namesOf(this.target, inferior.hartOf(thread)),
    );
  }

  private async assign(expression: string, text: string, at: FramePlace): Promise<object> {
    const scope = this.scope(at);
    const value = evaluate(parseStatement(text, scope).value, scope);
    const node = parseStatement(expression, scope).value;
    const target = evaluate(node, scope);
    const register =
      node.kind === 'register' || (node.kind === 'name' && target.type === WORD) ? registerNamed(node.name) : undefined;
    await this.writable();
    if (register) await this.setRegister(register, value.number, at);
    else {
      const inferior = this.inferior();
      const { thread, frame } = at;
      assign(target, value, {
        memory: (address, bytes) => {
          if (inferior.writeMemory(thread, address, bytes) < bytes.length)
            throw new DebugError(`memory at ${hex(address)} cannot be written`);
        },
        register: (id, v) => {
          if (frame.stack !== this.frames(thread)[0].frame.stack)
            throw new DebugError('it is in a register that inner frames have saved: set it in the innermost frame');
          inferior.writeRegister(thread, id, v);
        },
      });
    }
    const now = this.fresh(at, (place) =>
      this.described('', evaluate(node, this.scope(place)), expression, place, false),
    );
    const { value: result, ...rest } = (now ?? {}) as Record<string, unknown>;
    return { value: result ?? text, ...without(rest, ['name', 'evaluateName']) };
  }

  private async setRegister(id: RegisterId, value: bigint, at: FramePlace): Promise<void> {
    if (at.frame.stack !== this.frames(at.thread)[0].frame.stack)
      throw new DebugError('registers are set in the innermost frame: those of outer ones were saved somewhere');
    await this.writable();
    this.inferior().writeRegister(at.thread, id, BigInt.asUintN(64, value));
  }

  /** Looks at a frame again after a write. */
  private fresh<T>({ thread, index }: FramePlace, look: (at: FramePlace) => T): T | undefined {
    this.stacks.delete(thread);
    const at = this.frames(thread)[index];
    return at && look(at);
  }

  private container(args: Arguments): Container {
    const container = this.containers.get(args.number('variablesReference'));
    if (container === undefined) throw new DebugError('these variables are not known any more: the machine has moved');
    return container;
  }

  /** A value as the protocol describes one. */
  private described(name: string, value: TypedValue, expression: string, at: FramePlace, asHex: boolean): object {
    const { named, indexed } = partsOf(value);
    const type = stripped(value.type);
    const plain = value.type === WORD && value.place === undefined;
    const reference =
      plain || type.kind === 'pointer' || (value.place === undefined && type.kind === 'base')
        ? known(() => BigInt.asUintN(64, value.number))
        : value.address;
    return {
      name,
      value: shown(value, this.monitor.guestInfo, asHex),
      ...(plain ? {} : { type: typeName(value.type) }),
      variablesReference: named + indexed > 0 ? this.containers.add({ kind: 'value', value, expression, at }) : 0,
      ...(named > 0 && { namedVariables: named }),
      ...(indexed > 0 && { indexedVariables: indexed }),
      ...(expression !== '' && { evaluateName: expression }),
      ...(reference !== undefined && { memoryReference: hex(reference) }),
    };
  }

  private registers(group: RegisterGroup, { thread, index, frame }: FramePlace): object[] {
    const inferior = this.inferior();
    const { guestInfo } = this.monitor;
    const variable = (name: string, value: string, address?: bigint): object => ({
      name,
      value,
      variablesReference: 0,
      ...(address === undefined ? {} : { memoryReference: hex(address) }),
    });
    const one = (name: string, v: bigint | undefined): object[] => {
      if (v === undefined) return index === 0 ? [] : [variable(name, '<not saved>')];
      const symbol = guestInfo.name(v);
      return [variable(name, hex(v) + (symbol === undefined ? '' : ` <${symbol}>`), v)];
    };
    const { register, pc } = frame.stack;
    switch (group) {
      case 'integer':
        return [...one('pc', pc), ...INTEGER_REGISTERS.flatMap((n, i) => one(n, register(i)))];
      case 'float':
        return FLOAT_REGISTERS.flatMap((n, i) => one(n, register(FLOATS + i)));
      case 'control':
        return [...CSR_NAMES.keys()].flatMap((n) => {
          const v = inferior.readRegister(thread, CSR(n));
          return v === undefined ? [] : one(csrName(n), v);
        });
      case 'machine': {
        const prv = Number(inferior.readRegister(thread, PRV)) as keyof typeof PRIVILEGES;
        return [
          variable('instant', formatInstant(this.target.instant)),
          variable('begin', formatInstant(this.target.mover.begin)),
          variable('end', formatInstant(this.target.mover.end)),
          variable('privilege', PRIVILEGES[prv] ?? '?'),
          variable('process', this.monitor.hartNote(inferior.hartOf(thread)) || 'unknown'),
        ];
      }
    }
  }
}

/** Of variables of one name the innermost block's is meant; the others say that they are hidden. */
function unique(variables: readonly Variable[]): readonly Variable[] {
  const seen = new Set<string>();
  return variables.map((v) => {
    if (!seen.has(v.name)) {
      seen.add(v.name);
      return v;
    }
    return { ...v, name: `${v.name} (hidden)` };
  });
}

function known(get: () => bigint): bigint | undefined {
  try {
    return get();
  } catch (e) {
    if (e instanceof DebugError) return undefined;
    throw e;
  }
}

const without = (object: Record<string, unknown>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

const renamed = ({ value, ...rest }: { value?: unknown }): object => ({ result: value, ...rest });
