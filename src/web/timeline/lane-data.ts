import type { PackedArrays } from '../storage/packed-arrays.ts';
import { firstAbove } from '../terminal/history.ts';
import { POINT_LANES, type PointLane, type PointNews, type SampleNews } from '../worker/protocol.ts';

/** What the time axis counts: nanoseconds of guest time, or instructions, where idle time has no width. */
export type Axis = 'time' | 'instructions';

/** Numbers that grow, in ascending order. */
class Column {
  array = new Float64Array(1024);
  count = 0;

  append(values: ArrayLike<number>): void {
    const needed = this.count + values.length;
    if (needed > this.array.length) {
      const larger = new Float64Array(Math.max(needed, this.array.length * 2));
      larger.set(this.array.subarray(0, this.count));
      this.array = larger;
    }
    this.array.set(values, this.count);
    this.count = needed;
  }

  get values(): Float64Array {
    return this.array.subarray(0, this.count);
  }

  above(limit: number): number {
    return firstAbove(this.array, this.count, limit);
  }
}

/** Things at points in time, on both axes. */
class Points {
  readonly time = new Column();
  readonly instructions = new Column();

  countBetween(axis: Axis, from: number, to: number): number {
    return this[axis].above(to) - this[axis].above(from);
  }

  cut(count: number): void {
    this.time.count = Math.min(this.time.count, count);
    this.instructions.count = this.time.count;
  }
}

/** What the lanes show: samples of what the machine did, and what happened at points in time. */
export class LaneData {
  readonly names: string[] = [];
  private readonly time = new Column();
  private readonly instructions = new Column();
  private readonly processes = new Column();
  private readonly points = new Map<PointLane, Points>();
  private harts = 1;

  /** A copy that stays as it is. */
  copy(): LaneData {
    const copy = new LaneData();
    copy.harts = this.harts;
    copy.names.push(...this.names);
    for (const column of ['time', 'instructions', 'processes'] as const) copy[column].append(this[column].values);
    for (const [lane, { time, instructions }] of this.points) {
      const points = new Points();
      points.time.append(time.values);
      points.instructions.append(instructions.values);
      copy.points.set(lane, points);
    }
    return copy;
  }

  /** For a file. */
  pack(): PackedArrays {
    return {
      names: this.names,
      sampleTimes: this.time.values,
      sampleInstructions: this.instructions.values,
      processes: Int32Array.from(this.processes.values),
      ...Object.fromEntries(
        [...this.points].flatMap(([lane, { time, instructions }]) => [
          [`${lane} times`, time.values],
          [`${lane} instructions`, instructions.values],
        ]),
      ),
    };
  }

  /** @returns undefined when the file does not hold all of it */
  static unpack(arrays: PackedArrays): LaneData | undefined {
    const { names, sampleTimes: times, sampleInstructions: instructions, processes } = arrays;
    if (
      !(times instanceof Float64Array && instructions instanceof Float64Array && processes instanceof Int32Array) ||
      !Array.isArray(names)
    )
      return undefined;
    const data = new LaneData();
    data.addSamples({ kind: 'samples', times, instructions, processes, names });
    for (const lane of POINT_LANES) {
      const [pointTimes, pointInstructions] = [arrays[`${lane} times`], arrays[`${lane} instructions`]];
      if (pointTimes instanceof Float64Array && pointInstructions instanceof Float64Array)
        data.addPoints({ kind: 'points', lane, times: pointTimes, instructions: pointInstructions });
    }
    return data;
  }

  /** Samples so far. */
  get count(): number {
    return this.time.count;
  }

  addSamples({ times, instructions, processes, names }: SampleNews): void {
    this.harts = Math.max(1, Math.round(processes.length / Math.max(1, times.length)));
    this.time.append(times);
    this.instructions.append(instructions);
    this.processes.append(processes);
    this.names.push(...names);
  }

  addPoints({ lane, times, instructions }: PointNews): void {
    let points = this.points.get(lane);
    if (points === undefined) this.points.set(lane, (points = new Points()));
    points.time.append(times);
    points.instructions.append(instructions);
  }

  /** Forgets what came after. */
  cut(instructions: number): void {
    const count = this.instructions.above(instructions);
    this.time.count = this.instructions.count = count;
    this.processes.count = count * this.harts;
    for (const points of this.points.values()) points.cut(points.instructions.above(instructions));
  }

  /** Whether anything happened in a lane at all. */
  has(lane: PointLane): boolean {
    return (this.points.get(lane)?.time.count ?? 0) > 0;
  }

  pointsBetween(lane: PointLane, axis: Axis, from: number, to: number): number {
    return this.points.get(lane)?.countBetween(axis, from, to) ?? 0;
  }

  /** Instructions at a guest time, and the other way round; between samples as if both went on evenly. */
  convert(value: number, from: Axis): number {
    const [known, wanted] = from === 'time' ? [this.time, this.instructions] : [this.instructions, this.time];
    const { count } = known;
    if (count === 0) return value;
    const i = known.above(value);
    if (i === 0) return wanted.array[0];
    if (i === count) return wanted.array[count - 1] + (from === 'time' ? 0 : value - known.array[count - 1]);
    const [x0, x1] = [known.array[i - 1], known.array[i]];
    const part = x1 > x0 ? (value - x0) / (x1 - x0) : 0;
    return wanted.array[i - 1] + part * (wanted.array[i] - wanted.array[i - 1]);
  }

  /** Which part of a stretch of guest time the machine executed instructions in, 0 to 1. */
  busy(axis: Axis, from: number, to: number): number {
    const time = axis === 'time' ? to - from : this.convert(to, axis) - this.convert(from, axis);
    const instructions = axis === 'instructions' ? to - from : this.convert(to, axis) - this.convert(from, axis);
    return time <= 0 ? (instructions > 0 ? 1 : 0) : Math.min(1, instructions / time);
  }

  /** Index of the process's name that a hart ran most in a stretch; -1 for none. */
  process(axis: Axis, from: number, to: number, hart = 0): number {
    const column = axis === 'time' ? this.time : this.instructions;
    const first = column.above(from);
    const last = Math.min(column.above(to), this.count - 1);
    if (first >= this.count) return -1;
    if (last <= first) return this.busy(axis, from, to) < MOSTLY_IDLE ? -1 : this.processAt(first, hart);
    const weights = new Map<number, number>();
    const stride = Math.max(1, Math.floor((last - first) / MOST_LOOKED_AT));
    for (let i = first; i <= last; i += stride) {
      const process = this.processAt(i, hart);
      const weight = i === 0 ? 1 : this.instructions.array[i] - this.instructions.array[Math.max(0, i - stride)];
      if (process >= 0) weights.set(process, (weights.get(process) ?? 0) + weight + 1);
    }
    let [best, most] = [-1, 0];
    for (const [process, weight] of weights) if (weight > most) [best, most] = [process, weight];
    return best;
  }

  private processAt(sample: number, hart: number): number {
    return this.processes.array[sample * this.harts + hart];
  }
}

/** A stretch that is busy for less than this part of it shows no process. */
const MOSTLY_IDLE = 0.02;
/** Samples looked at for one column of pixels. */
const MOST_LOOKED_AT = 24;
