import { DebugError } from '../target.ts';

/** A request's arguments, from outside: every value is checked when it is taken. */
export class Arguments {
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(values: unknown) {
    this.values = typeof values === 'object' && values !== null ? (values as Record<string, unknown>) : {};
  }

  has(name: string): boolean {
    return this.values[name] !== undefined;
  }

  number(name: string): number {
    const v = this.values[name];
    if (typeof v !== 'number' || !Number.isFinite(v)) throw new DebugError(`argument "${name}": a number was expected`);
    return v;
  }

  optionalNumber(name: string): number | undefined {
    return this.values[name] === undefined ? undefined : this.number(name);
  }

  text(name: string): string {
    const v = this.values[name];
    if (typeof v !== 'string') throw new DebugError(`argument "${name}": a string was expected`);
    return v;
  }

  optionalText(name: string): string | undefined {
    return this.values[name] === undefined ? undefined : this.text(name);
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  /** A list of objects; empty when it is not there. */
  list(name: string): Arguments[] {
    const v = this.values[name];
    if (v === undefined) return [];
    if (!Array.isArray(v)) throw new DebugError(`argument "${name}": a list was expected`);
    return v.map((item) => new Arguments(item));
  }

  /** A list of strings; empty when it is not there. */
  texts(name: string): string[] {
    const v = this.values[name];
    if (v === undefined) return [];
    if (!Array.isArray(v) || v.some((t) => typeof t !== 'string'))
      throw new DebugError(`argument "${name}": a list of strings was expected`);
    return v as string[];
  }

  object(name: string): Arguments {
    return new Arguments(this.values[name]);
  }

  /** An address as memory references are written. */
  address(name: string): bigint {
    const text = this.text(name);
    if (!/^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(text))
      throw new DebugError(`argument "${name}": "${text}" is no address`);
    return BigInt.asUintN(64, BigInt(text));
  }
}
