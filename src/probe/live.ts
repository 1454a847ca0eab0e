import { GuestInfo } from '../debug/guest-info.ts';
import type { Watcher } from '../machine/session/driver.ts';
import type { Machine } from '../machine/session/machine.ts';
import { EngineView } from '../machine/view/engine-view.ts';
import { PC } from '../machine/view/machine-view.ts';
import { type Breakpoint, enginePoint, type Hit } from '../timeline/breakpoints.ts';
import type { Output } from './output.ts';
import { Probes, type ScriptOptions } from './probes.ts';

/** How a script on a running machine ended. */
export interface LiveProbeResult {
  readonly hits: number;
  readonly warnings: readonly string[];
}

/** A script that runs on a machine while it lives. What it finds is what it finds in the machine's recording. */
export class LiveProbes implements Watcher {
  /** Settles when the script has ended: by exit(), by {@link end}, or by an error of its own, which leaves the machine as it is. */
  readonly ended: Promise<LiveProbeResult>;
  private readonly machine: Machine;
  private readonly view: EngineView;
  private readonly guest: GuestInfo;
  private readonly make: () => Probes;
  private probes: Probes | undefined;
  private points: readonly Breakpoint[] = [];
  private renewing = false;
  /** What became of a point that was met within the core, which the run ended for. */
  private looked: (() => boolean) | undefined;
  private resolve!: (result: LiveProbeResult) => void;
  private reject!: (error: unknown) => void;

  private constructor(machine: Machine, script: string, output: Output, options: ScriptOptions) {
    this.machine = machine;
    this.view = new EngineView(machine.internals.engine);
    this.guest = new GuestInfo(this.view);
    this.make = () => new Probes(this.view, this.guest, script, output, options);
    this.ended = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.ended.catch(() => {});
  }

  /**
   * Begins a script where the machine is, between two slices; where its kernel has not begun yet, once it has.
   * @throws ScriptError · RangeError when another script runs on it
   */
  static async start(
    machine: Machine,
    script: string,
    output: Output,
    options: ScriptOptions = {},
  ): Promise<LiveProbes> {
    if (machine.watcher !== undefined)
      throw new RangeError('a script runs on this machine already: wait for it to end, or end it');
    const live = new LiveProbes(machine, script, output, options);
    machine.watcher = live;
    try {
      await live.begin();
    } catch (error) {
      live.leave();
      throw error;
    }
    return live;
  }

  get due(): Watcher['due'] {
    return this.probes?.due ?? { instructions: Infinity, time: Infinity };
  }

  begins(): void {
    this.set(this.points);
  }

  met(): boolean {
    const { looked, machine } = this;
    this.looked = undefined;
    if (looked === undefined) return this.guarded(() => this.act(machine.internals.engine.debugHit.index));
    return this.guarded(looked);
  }

  /** The machine is at a point, perhaps within its core. @returns whether it goes on */
  private act(index: number): boolean {
    const { engine } = this.machine.internals;
    const point = this.points[index];
    const hart = this.view.activeHart();
    const { probes } = this;
    if (point === undefined || probes === undefined) {
      this.renewing = true;
      return false;
    }
    const hit: Hit = {
      at: engine.instant,
      hart,
      pc: this.view.readRegister(hart, PC) ?? 0n,
      point,
      ...(point.kind !== 'execute' && { address: engine.debugHit.address }),
    };
    if (!probes.met(hit)) this.renewing = true;
    return !this.renewing;
  }

  /** As {@link act} within the core, which is left before anything else is done. */
  private look(index: number): boolean {
    try {
      if (this.act(index)) return true;
      this.looked = () => false;
    } catch (error) {
      this.looked = () => {
        throw error;
      };
    }
    return false;
  }

  passed(time: number): Promise<void> | undefined {
    const { probes } = this;
    if (probes !== undefined && !this.guarded(() => probes.tick(time))) {
      this.end();
      return undefined;
    }
    if (!this.renewing) return undefined;
    this.renewing = false;
    return this.renew().catch((error: unknown) => this.fail(error));
  }

  /** Ends the script: END runs, and the maps are printed. */
  end(): void {
    const { probes } = this;
    if (!this.leave()) return;
    try {
      probes?.end();
    } catch (error) {
      this.reject(error);
      return;
    }
    this.resolve({ hits: probes?.hits ?? 0, warnings: probes?.warnings ?? [] });
  }

  private async begin(): Promise<void> {
    const kernel = this.guest.kernel();
    const start = kernel?.symbols.find('start_kernel')?.address;
    // Its own tables are right once it has relocated itself.
    if (kernel !== undefined && start !== undefined && kernel.mode() === 0n) {
      this.set([{ kind: 'execute', start, end: start + 1n }]);
      return;
    }
    this.probes = this.make();
    await this.probes.begin();
    this.set(this.probes.points());
  }

  private async renew(): Promise<void> {
    if (this.probes === undefined) {
      this.probes = this.make();
      await this.probes.begin();
    } else await this.probes.renew();
    if (this.machine.watcher === this) this.set(this.probes.points());
  }

  private set(points: readonly Breakpoint[]): void {
    this.points = points;
    this.machine.internals.engine.setDebugPoints(points.map(enginePoint), (index) => this.look(index));
  }

  /** @returns what `work` says; false when it failed: then the script has ended */
  private guarded(work: () => boolean): boolean {
    try {
      return work();
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  private fail(error: unknown): void {
    if (this.leave()) this.reject(error);
  }

  /** @returns whether it was there */
  private leave(): boolean {
    const { machine } = this;
    if (machine.watcher !== this) return false;
    machine.watcher = undefined;
    const { engine } = machine.internals;
    engine.setDebugPoints([]);
    engine.skipDebugPoint(false);
    return true;
  }
}
