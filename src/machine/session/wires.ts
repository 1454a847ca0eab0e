import { netLink } from '../../devices/virtio/net.ts';
import type { Link } from '../../net/link.ts';
import { deviceCommand } from '../../record/inputs.ts';
import type { Session } from './session.ts';

const TICKS_PER_MILLISECOND = 1e6;
/** Milliseconds after going live elsewhere at which the cable is pulled out, and plugged in again: the resets come before. */
const UNPLUGGED_AT = 20;
const PLUGGED_AT = 300;

/** The first tick at which so many milliseconds have passed. */
function ticksOf(milliseconds: number): number {
  const ticks = Math.ceil(milliseconds * TICKS_PER_MILLISECOND);
  return ticks / TICKS_PER_MILLISECOND < milliseconds ? ticks + 1 : ticks;
}

/** A change of the cable that is to come. */
interface Replug {
  readonly at: number;
  readonly up: number;
}

/** A network device and what it is wired to. */
interface Wire {
  readonly link: Link;
  readonly wake: () => void;
}

/** The links of a machine's network devices: frames pass between them and the door, at guest time. */
export class Wires {
  private readonly session: Session;
  private readonly onReady: () => void;
  private readonly wires = new Map<number, Wire>();
  /** By port; also of devices that are wired to nothing. */
  private readonly replugs = new Map<number, Replug[]>();

  /** @param onReady called when something may enter */
  constructor(session: Session, onReady: () => void) {
    this.session = session;
    this.onReady = onReady;
  }

  /** Whether something may come from outside: idle time is waited for then, not skipped. */
  get awaiting(): boolean {
    for (const { link } of this.wires.values()) if (link.awaiting) return true;
    return this.replugs.size > 0;
  }

  /** Guest time, in ticks and after now, at which {@link poll} is due; Infinity for never. What is due now was let in, or waits for the guest. */
  get deadline(): number {
    const { time } = this.session.engine;
    let next = Infinity;
    const consider = (at: number): void => {
      if (at > time && at < next) next = at;
    };
    for (const { link } of this.wires.values()) consider(ticksOf(link.deadline));
    for (const [first] of this.replugs.values()) consider(first.at);
    return next;
  }

  /** Whether a device has a link. */
  has(port: number): boolean {
    return this.wires.has(port);
  }

  /** Wires a device. It keeps its link for good. */
  connect(port: number, link: Link): void {
    const wake = this.session.inputs.connect(port, { next: (time) => link.pull(time / TICKS_PER_MILLISECOND) });
    link.onReady = () => {
      wake();
      this.onReady();
    };
    this.wires.set(port, { link, wake });
    const { engine } = this.session;
    // A machine that has run without may have had its cable pulled; a start has it plugged in, unless it finds its connections reset.
    if (this.replugs.has(port) || engine.instructions > (this.session.log.header.start?.at.instructions ?? 0))
      this.replug(port, engine.time + PLUGGED_AT * TICKS_PER_MILLISECOND, 1);
  }

  /** A device has put out a frame. */
  output(port: number, frame: Uint8Array): void {
    this.wires.get(port)?.link.receive(frame, this.session.engine.time / TICKS_PER_MILLISECOND);
  }

  /** The machine is about to run: notes that it is its turn among those on its wire. */
  beginTurn(): void {
    for (const { link } of this.wires.values()) {
      const turn = link.turns?.begin(this);
      if (turn !== undefined) this.session.noteTurn(turn);
    }
  }

  /** Before the machine runs on: what is due by time is let in. */
  poll(): void {
    this.beginTurn();
    const { time } = this.session.engine;
    for (const { link, wake } of this.wires.values()) if (ticksOf(link.deadline) <= time) wake();
    for (const [port, [first, ...rest]] of this.replugs) {
      if (first.at > time) continue;
      this.session.inputs.command(deviceCommand(port, netLink(first.up)));
      if (rest.length > 0) this.replugs.set(port, rest);
      else this.replugs.delete(port);
    }
  }

  /**
   * The machine goes on live from its past: whom it talked to there is not there any more. Its connections are reset, and its cable is
   * pulled out for a moment, so that it asks for its neighbours and its lease again.
   */
  restart(): void {
    const { engine, inputs } = this.session;
    for (const [port, { device }] of engine.board.slots.entries()) {
      if (device.kind !== 'virtio-net') continue;
      this.wires.get(port)?.link.restart();
      inputs.discard(port);
      for (const reset of engine.connections.of(port).resets()) void inputs.give(port, reset);
      this.replugs.delete(port);
      this.replug(port, engine.time + UNPLUGGED_AT * TICKS_PER_MILLISECOND, 0);
      if (this.wires.has(port)) this.replug(port, engine.time + PLUGGED_AT * TICKS_PER_MILLISECOND, 1);
    }
    this.onReady();
  }

  private replug(port: number, at: number, up: number): void {
    this.replugs.set(port, [...(this.replugs.get(port) ?? []), { at, up }]);
  }

  /** Ends everything that leads outside. */
  close(): void {
    for (const { link } of this.wires.values()) link.close();
  }
}
