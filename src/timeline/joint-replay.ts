import { hashBytes } from '../bytes/hash.ts';
import { compareInstants, EVENT, type Instant } from '../record/door.ts';
import type { Timeline } from './timeline.ts';

/** Recordings that cannot be replayed together; says which and why. */
export class JointReplayError extends Error {
  override name = 'JointReplayError';
}

/** One of the machines. */
export interface JointMember {
  readonly name: string;
  readonly timeline: Timeline;
}

/** A stretch that a machine ran by itself. */
interface Turn {
  readonly number: number;
  readonly member: number;
  readonly until: Instant;
}

export interface JointOptions {
  readonly signal?: AbortSignal;
  /** Compare the state hashes of the recordings on the way. */
  readonly verify?: boolean;
}

/**
 * Replays recordings of machines that were on one wire in the order in which they ran: those of one process as they took turns, those of
 * several as far as frames tell, so that no frame comes before it was sent.
 */
export class JointReplay {
  readonly members: readonly JointMember[];
  /** Frames that entered one machine: those that another of these had sent before, and those from elsewhere. */
  readonly frames = { between: 0, elsewhere: 0 };
  /** Whose turn it is, or was last. */
  current: JointMember;
  private readonly turns: readonly Turn[];
  private readonly sent: ReadonlySet<number>;

  private constructor(members: readonly JointMember[], sent: ReadonlySet<number>) {
    this.members = members;
    this.sent = sent;
    this.current = members[0];
    this.turns = members.flatMap(turnsOf).sort((a, b) => a.number - b.number || a.member - b.member);
  }

  /**
   * @param names of the recordings, each once
   * @param open opens one of them, at its beginning; `output` is to get what comes out of its machine's devices
   * @param output gets it from here, in order @throws JointReplayError when they were not on a wire with others
   */
  static async open(
    names: readonly string[],
    open: (name: string, output: (port: string, bytes: Uint8Array) => void) => Promise<Timeline>,
    output?: (name: string, port: string, bytes: Uint8Array) => void,
  ): Promise<JointReplay> {
    const sent = new Set<number>();
    const members: JointMember[] = [];
    for (const name of names) {
      const timeline = await open(name, (port, bytes) => {
        if (isNetwork(timeline, timeline.log.header.ports.indexOf(port))) sent.add(keyOf(bytes));
        output?.(name, port, bytes);
      });
      const { turns, header } = timeline.log;
      if (turns.length === 0)
        throw new JointReplayError(
          `${name}: its machine was on no wire with others (--net switch:NAME); replay it by itself`,
        );
      const twin = members.find((other) => other.timeline.log.header.id === header.id);
      if (twin !== undefined) throw new JointReplayError(`${name} and ${twin.name} are the same recording`);
      members.push({ name, timeline });
    }
    return new JointReplay(members, sent);
  }

  /** Replays all to their ends. @returns how many hashes were compared, until the signal ended it @throws DivergenceError */
  async run({ signal, verify = false }: JointOptions = {}): Promise<number> {
    let compared = 0;
    for (const { member, until } of this.turns) {
      if (signal?.aborted) break;
      this.current = this.members[member];
      const { timeline } = this.current;
      const move = { ...(signal && { signal }) };
      const before = timeline.session.position;
      if (verify) compared += await timeline.verify({ ...move, until, onwards: true });
      else await timeline.seek(until, move);
      this.count(timeline, before);
    }
    return compared;
  }

  private count(timeline: Timeline, before: number): void {
    const { session, log } = timeline;
    for (const { kind, port, payload } of log.events.slice(before, session.position)) {
      if (kind !== EVENT.INPUT || !isNetwork(timeline, port)) continue;
      this.frames[this.sent.has(keyOf(payload)) ? 'between' : 'elsewhere']++;
    }
  }
}

function turnsOf({ timeline: { log } }: JointMember, member: number): Turn[] {
  const { turns, end } = log;
  return turns.map(({ turn }, i) => {
    const next = turns[i + 1]?.at ?? end;
    return { number: turn, member, until: compareInstants(next, end) > 0 ? end : next };
  });
}

const isNetwork = ({ session }: Timeline, port: number): boolean =>
  session.engine.board.slots[port]?.device.kind === 'virtio-net';

function keyOf(frame: Uint8Array): number {
  const { low, high } = hashBytes(frame);
  return low + (high & 0x1f_ffff) * 2 ** 32;
}
