import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { TRANSLATION_SCRIPT } from '../../generated/translation-worker.ts';
import type { CompileResult, CompileTask, RegionCompiler } from '../../jit/compile.ts';

const SERVE = `
const { workerData: port } = require('node:worker_threads');
port.on('message', (task) => port.postMessage(translation.compileTask(task)));
`;

/** Where a task's result goes, under the number that the task has for its machine. */
interface Ticket {
  readonly id: number;
  readonly results: CompileResult[];
}

/** The thread of this process that compiles. */
class CompilerThread {
  private readonly port: MessagePort;
  private readonly tickets = new Map<number, Ticket>();
  private next = 1;
  failed = false;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    const worker = new Worker(TRANSLATION_SCRIPT + SERVE, {
      eval: true,
      name: 'translator',
      workerData: port2,
      transferList: [port2],
    });
    // it keeps no process alive
    worker.unref();
    worker.on('error', () => {
      this.failed = true;
    });
  }

  submit(task: CompileTask, results: CompileResult[]): void {
    const id = this.next++;
    this.tickets.set(id, { id: task.id, results });
    this.port.postMessage({ ...task, id }, [task.pages.data.buffer]);
  }

  /** Hands out what is finished, whosever it is. */
  receive(): void {
    for (let m = receiveMessageOnPort(this.port); m; m = receiveMessageOnPort(this.port)) {
      const result = m.message as CompileResult;
      const ticket = this.tickets.get(result.id);
      this.tickets.delete(result.id);
      ticket?.results.push({ ...result, id: ticket.id });
    }
  }
}

let thread: CompilerThread | undefined;
let refused = false;

/** Compiles for one machine, on a thread that all machines of the process share. Where there can be none, it takes no task. */
export function nodeRegionCompiler(): RegionCompiler {
  const results: CompileResult[] = [];
  return {
    submit(task: CompileTask): boolean {
      try {
        if (!thread && !refused) thread = new CompilerThread();
      } catch {
        // a runtime without threads, or out of them
        refused = true;
      }
      if (!thread || thread.failed) return false;
      thread.submit(task, results);
      return true;
    },
    finished(): readonly CompileResult[] {
      thread?.receive();
      return results.splice(0);
    },
  };
}
