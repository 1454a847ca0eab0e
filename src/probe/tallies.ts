import { TALLIES_AT, TALLIES_SIZE } from '../isa/layout.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import type { Engine } from '../machine/engine/engine.ts';
import { AGGREGATES } from './aggregates.ts';
import { compileBlock, Unsupported } from './compile-block.ts';
import type { ScriptEnvironment } from './environment.ts';
import type { ScriptMap } from './maps.ts';
import type { ProbeBlock } from './syntax.ts';
import { COMM_SIZE, ENTRIES_FROM, HITS_AT, type KeyKind, keyWords, type Tally, WORD } from './tally.ts';
import { textOf, type Value } from './values.ts';

// Blocks that only count, as WebAssembly functions that a core calls where their probes are met, without leaving what it executes.

/**
 * Words that follow the number of values in what is kept of a summary: the sum in 64 or 128 bits, the least, the greatest, or how many values were negative,
 * 0, 1, 2 to 3, 4 to 7 …
 */
const SUMMARIES: Readonly<Record<string, number>> = { count: 0, sum: 1, min: 1, max: 1, avg: 2, stats: 2, hist: 66 };
/** The greatest number of entries a statement has room for. */
const MOST_ENTRIES = 4096;
/** What the compiled blocks of a script have counted. One script of a machine at a time. */
export class Tallies {
  private readonly engine: Engine;
  private readonly kernel: LinuxKernel | undefined;
  private readonly environment: ScriptEnvironment;
  private readonly tallies: Tally[] = [];
  private readonly rooms = new Map<string, number>();
  private next = ENTRIES_FROM;

  constructor(engine: Engine, kernel: LinuxKernel | undefined, environment: ScriptEnvironment) {
    this.engine = engine;
    this.kernel = kernel;
    this.environment = environment;
    new Uint8Array(engine.memory.buffer, TALLIES_AT, TALLIES_SIZE).fill(0);
  }

  /** Hits that compiled blocks have counted so far. */
  get hits(): number {
    return Number(this.engine.memory.view.getBigUint64(HITS_AT, true));
  }

  /** The function of a block; undefined where it has to be run as it is. */
  compile(block: ProbeBlock): CallableFunction | undefined {
    const { next, engine, kernel, environment } = this;
    const before = this.tallies.length;
    try {
      const bytes = compileBlock(
        block,
        { ramSize: engine.memory.ramSize, kernel, environment },
        (statement, key, signed) => this.reserve(statement, key, signed),
      );
      const imports = { env: { memory: engine.memory.memory } };
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
      return exports['0'] as CallableFunction;
    } catch (error) {
      // Not of the kind that is compiled, or in a host that compiles nothing while it runs.
      if (!(error instanceof Unsupported || error instanceof WebAssembly.CompileError || error instanceof EvalError))
        throw error;
      this.next = next;
      this.tallies.length = before;
      return undefined;
    }
  }

  private reserve(
    { map, name }: { readonly map: string; readonly name: string },
    key: readonly KeyKind[],
    signed: boolean,
  ): Tally {
    let roomAt = this.rooms.get(map);
    if (roomAt === undefined) {
      roomAt = this.take(WORD);
      this.rooms.set(map, roomAt);
      this.engine.memory.view.setBigInt64(roomAt, BigInt(this.environment.mapLimit), true);
    }
    const words = SUMMARIES[name];
    if (words === undefined) throw new Unsupported();
    const size = (1 + keyWords(key) + 1 + words) * WORD;
    let capacity = 1;
    const share = Math.floor((TALLIES_AT + TALLIES_SIZE - this.next) / 4 / size);
    if (key.length > 0) while (capacity * 2 <= Math.min(share, MOST_ENTRIES)) capacity *= 2;
    if (key.length > 0 && capacity < 16) throw new Unsupported();
    const tally = { map, name, key, signed, at: this.take(capacity * size), size, capacity, roomAt };
    this.tallies.push(tally);
    return tally;
  }

  private take(bytes: number): number {
    const at = this.next;
    if (at + bytes > TALLIES_AT + TALLIES_SIZE) throw new Unsupported();
    this.next += bytes;
    return at;
  }

  /** Moves what was counted into the script's maps. @throws MapLimitError */
  drain(mapOf: (name: string) => ScriptMap): void {
    const { view } = this.engine.memory;
    for (const tally of this.tallies) {
      const { at, size, capacity, key, signed, name } = tally;
      const map = mapOf(tally.map);
      for (let entry = at; entry < at + capacity * size; entry += size) {
        if (view.getBigUint64(entry, true) === 0n) continue;
        const words = new BigInt64Array(view.buffer, entry + WORD, size / WORD - 1);
        const state = words.subarray(keyWords(key));
        if (state[0] !== 0n)
          map.aggregate(valuesOf(key, words), () => AGGREGATES[name]!.create([])).take(state, signed);
        words.fill(0n);
        view.setBigUint64(entry, 0n, true);
      }
    }
    for (const [name, at] of this.rooms)
      view.setBigInt64(at, BigInt(this.environment.mapLimit - mapOf(name).size), true);
  }

  /** The maps that are counted in. */
  get maps(): ReadonlySet<string> {
    return new Set(this.tallies.map(({ map }) => map));
  }
}

/** A key as scripts have it. */
function valuesOf(key: readonly KeyKind[], words: BigInt64Array): Value[] {
  let i = 0;
  return key.map((kind) => {
    const word = words[i++]!;
    if (kind === 'signed') return word;
    if (kind === 'unsigned') return BigInt.asUintN(64, word);
    i++;
    return textOf(new Uint8Array(words.buffer, words.byteOffset + (i - 2) * WORD, COMM_SIZE).slice());
  });
}
