import { proxy } from 'comlink';
import type { Machine, RunOptions } from '../../machine/session/machine.ts';
import { Sandbox } from '../../sandbox/sandbox.ts';
import { LivePast } from '../../timeline/live.ts';
import { createHostRoom } from '../room.ts';
import type { SandboxService } from './service.ts';

/** A sandbox of the worker. @param past bytes of memory for its past, 0 for none @param fresh it goes on from a state that others may go on from */
export async function startSandbox(
  machine: Machine,
  options: RunOptions,
  past: number,
  fresh: boolean,
): Promise<SandboxService> {
  const room = createHostRoom();
  const kept = past > 0 ? { past: new LivePast(machine, room, { budget: past }) } : {};
  return sandboxService(await Sandbox.attach({ machine, options, room, ...kept }, { fresh }));
}

function sandboxService(box: Sandbox): SandboxService {
  const running = new Map<number, AbortController>();
  return {
    async exec(id, command, options, heard) {
      const ending = new AbortController();
      running.set(id, ending);
      // What is heard and the answer have ports of their own, with no order between them.
      let last: unknown;
      try {
        return await box.exec(command, {
          ...options,
          signal: ending.signal,
          ...(heard && {
            onStdout: (bytes) => {
              last = heard('stdout', bytes);
            },
            onStderr: (bytes) => {
              last = heard('stderr', bytes);
            },
          }),
        });
      } finally {
        running.delete(id);
        await last;
      }
    },
    kill: (id) => running.get(id)?.abort(new DOMException('the command was aborted', 'AbortError')),
    files: (method, ...args) => (box.files[method] as (...all: unknown[]) => Promise<unknown>)(...args),
    mark: () => box.mark(),
    rewind: (to) => box.rewind(to),
    fork: async () => proxy(sandboxService(await box.fork())),
    snapshot: () => box.snapshot(),
    hash: () => box.machine.hash(),
    close: () => box.close(),
  };
}
