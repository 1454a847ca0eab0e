import { readVirtual } from '../memory.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import type { Knowledge } from '../knowledge.ts';
import { COMMANDS } from './commands.ts';

/** What a command is asked from. */
export interface MonitorContext {
  /** The hart the user looks at. */
  readonly hart: number;
  readonly signal?: AbortSignal;
  /** Gets or sets whether addresses are physical; absent where the client has no such view. */
  readonly physical?: (on?: boolean) => boolean;
}

/** A command's surroundings. */
export interface CommandScene extends MonitorContext {
  readonly target: DebugTarget;
  readonly knowledge: Knowledge;
  readonly monitor: Monitor;
}

/** A command of `monitor` and of the DAP console. */
export interface Command {
  readonly name: string;
  /** Its arguments, for help. */
  readonly usage?: string;
  readonly help: string;
  /** @returns text for people, lines ended by \n */
  readonly run: (scene: CommandScene, args: readonly string[]) => string | Promise<string>;
}

/** The commands that gdb cannot express, shared by every front end. */
export class Monitor {
  readonly target: DebugTarget;
  readonly knowledge: Knowledge;
  /** A process whose user-space addresses are shown although it may not be current. */
  process: number | undefined;

  constructor(target: DebugTarget, knowledge: Knowledge) {
    this.target = target;
    this.knowledge = knowledge;
  }

  /** Runs one command line. Mistakes and refusals are told in the text. */
  async run(line: string, context: MonitorContext): Promise<string> {
    const words = line.trim().split(/\s+/).filter((w) => w !== '');
    if (words.length === 0) words.push('help');
    const two = words.length > 1 ? COMMANDS.find((c) => c.name === `${words[0]} ${words[1]}`) : undefined;
    const command = two ?? COMMANDS.find((c) => c.name === words[0]);
    if (!command) return `no command "${words[0]}"; monitor help lists them\n`;
    try {
      return await command.run(
        { ...context, target: this.target, knowledge: this.knowledge, monitor: this }, words.slice(command.name.split(' ').length));
    } catch (e) {
      if (e instanceof DebugError || e instanceof RangeError) return `${e.message}\n`;
      throw e;
    }
  }

  /** Whether a line begins with a command's name. */
  knows(line: string): boolean {
    const words = line.split(/\s+/);
    return COMMANDS.some((c) => c.name === words[0] || c.name === `${words[0]} ${words[1] ?? ''}`);
  }

  /** Reads virtual memory as the hart sees it, or where it sees nothing, as the chosen process does. */
  readVirtual(hart: number, address: bigint, length: number): Uint8Array {
    if (this.process !== undefined && address >> 63n === 0n) {
      const bytes = this.knowledge.readProcess(this.process, address, length);
      if (bytes !== undefined) return bytes;
    }
    return readVirtual(this.target, hart, address, length);
  }

  /** What runs on a hart, for thread lists; empty when unknown. */
  hartNote(hart: number): string {
    return this.knowledge.hartNote(hart);
  }
}
