import { createLoop } from '../../generated/ts-core.ts';
import { type Exit, RAM_BASE } from '../../isa/layout.ts';
import type { Access, Core, CoreHost } from '../core.ts';
import { Boundary, GO_ON } from './boundary.ts';
import { Csrs } from './csr.ts';
import { DebugPoints } from './debug.ts';
import type { Loop } from './loop.ts';
import { Memory } from './memory.ts';
import { namedOperations } from './operations.ts';
import { Pages } from './pages.ts';
import { HI, io, LO } from './registers.ts';
import { SoftFloat } from './softfloat/index.ts';
import { State } from './state.ts';
import { Translation } from './translation.ts';
import { Traps } from './traps.ts';
import { warmUp } from './warm-up.ts';

/** Everything that depends on the size of RAM. */
interface Interpreter {
  readonly pages: Pages;
  readonly translation: Translation;
  readonly boundary: Boundary;
  readonly csrs: Csrs;
  readonly loop: Loop;
}

function createInterpreter(state: State, host: CoreHost): Interpreter {
  const pages = new Pages(state);
  const debug = new DebugPoints(state);
  const translation = new Translation(state, pages, debug);
  const traps = new Traps(state);
  const csrs = new Csrs(state, traps, translation);
  const memory = new Memory(state, pages, translation, debug, host);
  const boundary = new Boundary(state, pages, translation, traps, debug);
  const named = namedOperations(state, memory, csrs, traps);
  const { decoded, tlb } = pages;
  const loop = createLoop({ state, memory, boundary, decoded, tlb: tlb.entries, named, softfloat: new SoftFloat() });
  return { pages, translation, boundary, csrs, loop };
}

/** The core in TypeScript: no WebAssembly, no run-time compilation. */
class TsCore implements Core {
  readonly kind = 'ts';
  private readonly state: State;
  private readonly host: CoreHost;
  private ramSize = -1;
  private built: Interpreter | undefined;

  constructor(memory: ArrayBuffer | WebAssembly.Memory, host: CoreHost) {
    this.state = new State(memory, host);
    this.host = host;
  }

  /** The interpreter for the machine as it is configured now. */
  private get interpreter(): Interpreter {
    const changed = this.state.configure();
    if (!this.built || this.state.ramSize !== this.ramSize) {
      this.ramSize = this.state.ramSize;
      this.built = createInterpreter(this.state, this.host);
    } else if (changed) this.built.pages.dropAll();
    return this.built;
  }

  run(hart: number, ticks: number): Exit {
    const { boundary, loop } = this.interpreter;
    const exit = boundary.begin(hart, ticks);
    return exit === GO_ON ? loop() : exit;
  }

  ramChanged(offset: number, length: number): void {
    if (length > 0) this.interpreter.pages.changedByHost(offset, length, RAM_BASE);
  }

  hartChanged(hart: number): void {
    this.interpreter.translation.protectionChanged(hart);
  }

  dropDerived(): void {
    const { pages, translation } = this.interpreter;
    pages.dropAll();
    translation.forgetProtection();
  }

  dropTranslations(): void {
    const { pages, translation } = this.interpreter;
    pages.dropTranslations();
    translation.forgetProtection();
  }

  /** This core observes execute points by pages: places are nothing to it. */
  debugPointsChanged(): void {
    this.interpreter.pages.dropTranslations();
  }

  clearDirty(): void {
    this.interpreter.pages.dropTranslations();
    this.state.clearDirty();
  }

  translate(hart: number, address: bigint, access: Access): bigint {
    return this.interpreter.translation.peek(hart, address, access);
  }

  readCsr(hart: number, csr: number): bigint | undefined {
    return this.withHart(hart, () => {
      if (!this.interpreter.csrs.peek(csr)) return undefined;
      return (BigInt(io[HI] >>> 0) << 32n) | BigInt(io[LO] >>> 0);
    });
  }

  writeCsr(hart: number, csr: number, value: bigint): boolean {
    return this.withHart(hart, () =>
      this.interpreter.csrs.poke(csr, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))),
    );
  }

  /** Runs `work` with a hart at work; may be called while another one runs. */
  private withHart<T>(hart: number, work: () => T): T {
    const { state } = this;
    void this.interpreter;
    const before = state.hart;
    state.select(hart);
    try {
      return work();
    } finally {
      state.select(before);
    }
  }
}

let warm = false;

/**
 * Creates the core over the shared memory laid out by src/isa/layout.ts. MACHINE.ramSize must be set before the first call.
 * @param host what accesses outside RAM go to
 */
export function createTsCore(memory: ArrayBuffer | WebAssembly.Memory, host: CoreHost): Core {
  if (!warm) {
    warm = true;
    warmUp((warmUpMemory, warmUpHost) => new TsCore(warmUpMemory, warmUpHost));
  }
  return new TsCore(memory, host);
}
