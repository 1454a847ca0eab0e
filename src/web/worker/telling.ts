import type { News, PointLane } from './protocol.ts';

/** Numbers in an array that grows. */
class Numbers {
  private array = new Float64Array(256);
  length = 0;

  push(value: number): void {
    if (this.length === this.array.length) {
      const larger = new Float64Array(this.array.length * 2);
      larger.set(this.array);
      this.array = larger;
    }
    this.array[this.length++] = value;
  }

  take(): Float64Array<ArrayBuffer> {
    const taken = this.array.slice(0, this.length);
    this.length = 0;
    return taken;
  }
}

/** Bytes that go to the page at once: more do not wait for more. */
const LARGEST = 65_536;

/**
 * Collects what happens in the machine and hands it to the page in pieces: console output with its instants, samples of what ran, points in time.
 */
export class Telling {
  private readonly tell: (news: News) => void;
  private bytes: number[] = [];
  private readonly byteInstructions = new Numbers();
  private readonly byteTimes = new Numbers();
  private readonly sampleTimes = new Numbers();
  private readonly sampleInstructions = new Numbers();
  private processes: number[] = [];
  private newNames: string[] = [];
  private readonly names = new Map<string, number>();
  private readonly points = new Map<PointLane, { times: Numbers; instructions: Numbers }>();

  constructor(tell: (news: News) => void) {
    this.tell = tell;
  }

  /** Whether console output waits to be handed over. */
  get hasConsole(): boolean {
    return this.bytes.length > 0;
  }

  console(bytes: Uint8Array, instructions: number, time: number): void {
    for (const byte of bytes) {
      this.bytes.push(byte);
      this.byteInstructions.push(instructions);
      this.byteTimes.push(time);
    }
    if (this.bytes.length >= LARGEST) this.flush();
  }

  /** @param names of the processes that the harts run, undefined for those that idle */
  sample(instructions: number, time: number, names: readonly (string | undefined)[]): void {
    this.sampleTimes.push(time);
    this.sampleInstructions.push(instructions);
    for (const name of names) this.processes.push(name === undefined ? -1 : this.numberOf(name));
  }

  point(lane: PointLane, instructions: number, time: number): void {
    let points = this.points.get(lane);
    if (points === undefined) this.points.set(lane, (points = { times: new Numbers(), instructions: new Numbers() }));
    points.times.push(time);
    points.instructions.push(instructions);
  }

  /** Hands over what was collected. */
  flush(): void {
    if (this.bytes.length > 0) {
      const bytes = Uint8Array.from(this.bytes);
      this.bytes = [];
      this.tell({ kind: 'console', bytes, instructions: this.byteInstructions.take(), times: this.byteTimes.take() });
    }
    if (this.sampleTimes.length > 0) {
      const [processes, names] = [Int32Array.from(this.processes), this.newNames];
      this.processes = [];
      this.newNames = [];
      const [times, instructions] = [this.sampleTimes.take(), this.sampleInstructions.take()];
      this.tell({ kind: 'samples', times, instructions, processes, names });
    }
    for (const [lane, { times, instructions }] of this.points)
      if (times.length > 0) this.tell({ kind: 'points', lane, times: times.take(), instructions: instructions.take() });
  }

  private numberOf(name: string): number {
    let number = this.names.get(name);
    if (number === undefined) {
      this.names.set(name, (number = this.names.size));
      this.newNames.push(name);
    }
    return number;
  }
}
