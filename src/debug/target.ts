import { ramWrite, registerWrite } from '../machine/engine/debug-write.ts';
import { EngineView } from '../machine/view/engine-view.ts';
import type { RegisterId } from '../machine/view/machine-view.ts';
import { resolver } from '../machine/view/virtual-memory.ts';
import type { Input } from '../record/door.ts';
import type { NotedInstant } from '../record/format.ts';
import { withMark } from '../record/marks.ts';
import type { EngineDriver } from '../timeline/driver.ts';
import { Mover } from '../timeline/mover.ts';
import { type EventNote, eventNote } from './event-note.ts';

/** Refusals a user can cause. The message says what to do. */
export class DebugError extends Error {
  override readonly name = 'DebugError';
}

/** An engine's driver, as far as only debuggers need it. */
export interface DebugDriver extends EngineDriver {
  /** What is debugged, for people. */
  readonly title: string;
  /** Places in time that are kept with the recording. */
  readonly marks: readonly NotedInstant[];
  /** Keeps other marks than before. @throws DebugError when the recording takes none */
  keepMarks(marks: readonly NotedInstant[]): Promise<void>;
  /** The machine's past is given: nothing may be written. */
  readonly readOnly: boolean;
  /** Forgets the future and lets the machine go on live from here. @throws DebugError when it cannot be done */
  branch(): Promise<void>;
  /**
   * Has a write enter the machine here; what came after this instant is no more.
   * @returns whether there is such a place, register and value
   */
  write(input: Input): boolean;
  /** A debugger takes over a machine that ran by itself; resolves when it has stopped. */
  hold?(): Promise<void>;
  /** The debugger is gone: a live machine goes on. */
  release?(): void;
  /** The branch as a recording. @throws DebugError when there is none */
  save?(): Uint8Array;
}

/** A machine under debuggers: to look at, to move in time ({@link mover}) and to write to. */
export class DebugTarget extends EngineView {
  /** Moves it; they end right before an instruction. */
  readonly mover: Mover;
  private readonly driver: DebugDriver;
  /** Debuggers that are there. */
  private holders = 0;

  constructor(driver: DebugDriver) {
    super(driver.engine);
    this.driver = driver;
    this.mover = new Mover(driver, { aligned: true });
  }

  get title(): string {
    return this.driver.title;
  }

  /** Places in time that are kept with the recording, in their order. */
  get marks(): readonly NotedInstant[] {
    return this.driver.marks;
  }

  /** Names an instant; the name of one that has one is replaced. @throws DebugError when the recording takes none */
  mark(mark: NotedInstant): Promise<void> {
    return this.driver.keepMarks(withMark(this.marks, mark));
  }

  /** Takes a mark away. @param index in {@link marks} @throws DebugError when the recording takes none */
  unmark(index: number): Promise<void> {
    return this.driver.keepMarks(this.marks.filter((_, i) => i !== index));
  }

  /** Writes are refused: the past cannot be changed, only branched from. */
  get readOnly(): boolean {
    return this.driver.readOnly;
  }

  events(): EventNote[] {
    return this.driver.events.map((event, i) => eventNote(event, i, (port) => this.engine.portName(port)));
  }

  checkpoints(): ReturnType<EngineDriver['checkpoints']> {
    return this.driver.checkpoints();
  }

  /** @throws DebugError when {@link readOnly}, or when there is no such register or value */
  writeRegister(hart: number, id: RegisterId, value: bigint): void {
    if (id.kind === 'prv' && value !== 0n && value !== 1n && value !== 3n)
      throw new DebugError(`privilege ${value}: expected 0 (U), 1 (S) or 3 (M)`);
    this.refuseIfReadOnly();
    const number = 'number' in id ? id.number : 0;
    if (!this.driver.write(registerWrite(hart, id.kind, number, value)))
      throw new DebugError('this register cannot be written');
  }

  /** Bytes written: all of them, or those before the first that is not RAM. @throws DebugError when {@link readOnly} */
  writePhysical(address: bigint, bytes: Uint8Array): number {
    this.refuseIfReadOnly();
    const { base, size } = this.ram;
    if (address < base || address >= base + BigInt(size)) return 0;
    const at = Number(address - base);
    const part = bytes.subarray(0, Math.min(bytes.length, size - at));
    if (part.length > 0) this.driver.write(ramWrite(at, part));
    return part.length;
  }

  /** Writes virtual memory of a hart. @returns bytes written @throws DebugError as {@link writePhysical} */
  writeVirtual(hart: number, address: bigint, bytes: Uint8Array): number {
    const resolve = resolver(this, hart);
    let done = 0;
    while (done < bytes.length) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const physical = resolve(at);
      if (physical === undefined) break;
      const chunk = bytes.subarray(done, done + Math.min(bytes.length - done, 4096 - Number(at & 0xfffn)));
      const written = this.writePhysical(physical, chunk);
      done += written;
      if (written < chunk.length) break;
    }
    return done;
  }

  /** From here on a live machine of its own: writable, with no future. @throws DebugError when it cannot be done */
  async branch(): Promise<void> {
    if (!this.readOnly) return;
    await this.driver.branch();
    await this.mover.align();
  }

  /** A debugger takes over a machine that ran by itself; resolves when it has stopped. */
  async hold(): Promise<void> {
    this.holders++;
    await this.driver.hold?.();
    await this.mover.align();
  }

  /** A debugger is gone. After the last one, a live machine goes on. */
  release(): void {
    this.holders = Math.max(0, this.holders - 1);
    if (this.holders === 0) this.driver.release?.();
  }

  /** The branch as a recording, for `hindsight replay` and `debug`. @throws DebugError when there is none */
  save(): Uint8Array {
    if (!this.driver.save) throw new DebugError('this machine keeps its own recording');
    return this.driver.save();
  }

  private refuseIfReadOnly(): void {
    if (this.readOnly)
      throw new DebugError(
        'the past cannot be changed: `monitor branch` goes on from here as a machine that can be written to',
      );
  }
}
