import { GuestInfo } from '../../src/debug/guest-info.ts';
import { Origins } from '../../src/debug/origin.ts';
import { Machine, type SandboxOptions, Timeline } from '../../src/host/node/index.ts';
import { copyRecording } from '../../src/record/copy.ts';
import type { NotedInstant } from '../../src/record/format.ts';
import type { MoveResult } from '../../src/timeline/mover.ts';

/** A session at the shell. */
export interface Recorded {
  readonly recording: Uint8Array;
  /** What the terminal showed from the first typed line on. */
  readonly shown: string;
}

/** A recording that teaches something: how it is made, and the instants that tell its story. */
export interface Story {
  /** Name of its file, without the ending. */
  readonly name: string;
  readonly record: () => Promise<Recorded>;
  /** Goes to the instants that matter and notes them. */
  readonly tell: (past: Past) => Promise<void>;
}

const MEMORY = '256M';
const TERMINAL = { size: 'hvc0', term: 'xterm-256color' };
/** After it busybox's line editor asks where the cursor is, and clears the line. */
const PROMPT = /root@hindsight:\S*# (?:\x1b\[\d*[A-Za-z])*$/;
/** Milliseconds that a command of a story may take, on a busy host. */
const PATIENCE = 120_000;

/** Characters of a line's echo that are waited for: less than what fits beside the prompt. */
const ECHOED = 40;

/** A line typed at the shell, and what is waited for then; the prompt when nothing is said. */
export type Typed = string | readonly [line: string, until: RegExp];

/** Records a shell: files are put into the guest by its agent, then lines are typed. */
export async function recordShell(
  files: Readonly<Record<string, Uint8Array>>,
  lines: readonly Typed[],
  options: SandboxOptions = {},
): Promise<Recorded> {
  const parts: Uint8Array[] = [];
  let shown = '';
  const box = await Machine.start({
    memory: MEMORY,
    boot: TERMINAL,
    timeout: PATIENCE,
    ...options,
    record: { write: (bytes) => void parts.push(bytes.slice()) },
  });
  try {
    const { machine } = box;
    await machine.write('\n');
    await machine.expect(PROMPT, { timeout: PATIENCE });
    for (const [path, contents] of Object.entries(files)) {
      await box.files.write(path, contents);
      await box.exec(['chmod', '+x', path]);
    }
    for (const typed of lines) {
      const [line, until] = typeof typed === 'string' ? [typed, PROMPT] : typed;
      await machine.write(`${line}\n`);
      // The prompt that is waited for is the one after the line's echo: one from before may still be on its way.
      shown += (await machine.expect(line.slice(0, ECHOED), { timeout: PATIENCE })).text;
      shown += (await machine.expect(until, { timeout: PATIENCE })).text;
    }
  } finally {
    await box.close();
  }
  return { recording: Buffer.concat(parts), shown };
}

/** The past of a story, where marks are set. */
export class Past {
  readonly timeline: Timeline;
  readonly guest: GuestInfo;
  readonly origins: Origins;
  readonly marks: NotedInstant[] = [];

  private constructor(timeline: Timeline) {
    this.timeline = timeline;
    this.guest = new GuestInfo(timeline.view);
    this.origins = new Origins(timeline, this.guest);
  }

  /** Tells a story and gives its recording with the marks. */
  static async tell(story: Story, { recording }: Recorded): Promise<Uint8Array> {
    const timeline = await Timeline.open(recording);
    try {
      const past = new Past(timeline);
      await timeline.seek(timeline.end);
      await story.tell(past);
      past.marks.sort((a, b) => a.at.instructions - b.at.instructions);
      return Buffer.concat(copyRecording(timeline.session.log, { marks: past.marks }));
    } finally {
      await timeline.close();
    }
  }

  /** Notes the instant. */
  note(note: string): void {
    const { timeline } = this;
    this.marks.push({ at: timeline.at, time: timeline.view.engine.time, note });
  }

  /** Address of a symbol of the kernel. @throws Error when it has none of that name */
  symbol(name: string): bigint {
    const address = this.guest.address(name);
    if (address === undefined) throw new Error(`the kernel has no symbol ${name}`);
    return address;
  }

  /** Back to where an instruction was executed last, in user or supervisor mode. */
  async backTo(address: bigint): Promise<MoveResult> {
    return this.met(await this.timeline.reverseContinue({ execute: address }), `0x${address.toString(16)}`);
  }

  /** Back to the last store to memory, by whatever address it was made. */
  async backToWrite(address: bigint, length: number, process: number): Promise<void> {
    const found = await this.origins.lastAccess({ kind: 'write', address, length, space: { process } });
    if (found === undefined || found === 'interrupted') throw new Error(`nothing wrote 0x${address.toString(16)}`);
    await this.timeline.seek(found.at);
  }

  /** @throws Error when a search ended without a hit */
  met(result: MoveResult, what: string): MoveResult {
    if (result.reason !== 'hit') throw new Error(`the story has no ${what}: the search ended at the ${result.reason}`);
    return result;
  }
}
