/**
 * `node build/run.mjs bench/debugger.ts [--core jit|wasm] [--exec COMMAND]`: what debugging a Linux boot and a little work
 * behind it cost. Prints JSON; seconds are of CPU time.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { agentCondition } from '../src/debug/gdb/agent.ts';
import { registerByNumber } from '../src/debug/gdb/registers.ts';
import { GuestInfo } from '../src/debug/guest-info.ts';
import { Process } from '../src/debug/process.ts';
import { timelineTarget } from '../src/debug/timeline-target.ts';
import { startGdbServer } from '../src/host/node/debug/gdb-server.ts';
import { findGuest } from '../src/host/node/guest/index.ts';
import { createHostRoom } from '../src/host/room.ts';
import { tasks } from '../src/linux/tasks.ts';
import type { CoreKind } from '../src/machine/engine/cores.ts';
import { Machine } from '../src/machine/session/machine.ts';
import type { Breakpoint } from '../src/timeline/breakpoints.ts';
import { LivePast } from '../src/timeline/live.ts';
import { RawClient } from '../test/debug/gdb-client.ts';

const { values } = parseArgs({
  options: {
    core: { type: 'string', default: 'jit' },
    exec: { type: 'string', default: 'ls -lR /etc /usr /sys/kernel >/dev/null' },
  },
});
const guest = await findGuest();
if (guest === undefined) throw new Error('there is no guest: hindsight guest build makes one');

/** Seconds of CPU time: other work on the computer disturbs them little. */
const now = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const seconds = (since: number): number => Math.round(now() - since) / 1000;
const room = createHostRoom();
const machine = await Machine.create(
  {
    kernel: { file: 'kernel', bytes: readFileSync(guest.kernel) },
    initrd: { file: 'initrd', bytes: readFileSync(guest.initrd) },
    append: `${guest.commandLine} hindsight.stdin=none hindsight.exec=${Buffer.from(values.exec).toString('base64')}`,
    core: values.core as CoreKind,
  },
  room,
);
const past = new LivePast(machine, room);
let since = now();
await machine.run();
const figures: Record<string, unknown> = { core: values.core, liveRun: seconds(since) };
past.goBack();
const target = timelineTarget(past.timeline, 'a boot');
const guestInfo = new GuestInfo(target);
const end = target.mover.end.instructions;
figures.instructions = end;
figures.guestSeconds = machine.internals.engine.time / 1e9;

const address = (name: string): bigint => {
  const found = guestInfo.address(name);
  if (found === undefined) throw new Error(`the guest has no ${name}`);
  return found;
};
await target.mover.seek(end);
await target.mover.seek(Math.floor(end * 0.9));
since = now();
const kernel = guestInfo.kernel()!;
figures.kernelFound = seconds(since);
since = now();
figures.processes = tasks(kernel).length;
figures.processList = seconds(since);

const straight = async (): Promise<number> => {
  await target.mover.seek(0);
  const from = now();
  await target.mover.continue([]);
  return seconds(from);
};
/** Runs it all past an execute point whose condition never holds. */
const conditions = async (name: string, test: Breakpoint['when']): Promise<{ seconds: number; asked: number }> => {
  const start = address(name);
  await target.mover.seek(0);
  let asked = 0;
  const points: Breakpoint[] = [
    {
      kind: 'execute',
      start,
      end: start + 1n,
      when: (view, hart) => {
        asked++;
        return test!(view, hart);
      },
    },
  ];
  const from = now();
  await target.mover.continue(points);
  return { seconds: seconds(from), asked };
};
// a0 == 12345, as gdb sends it
const bytecode = agentCondition(Uint8Array.from([0x26, 0, 10, 0x23, 0x30, 0x39, 0x13, 0x27]), (view, hart, n) =>
  view.readRegister(hart, registerByNumber(n)!),
);
// *(long *)($sp + 8) == 12345
const memory = agentCondition(
  Uint8Array.from([0x26, 0, 2, 0x22, 8, 0x02, 0x1a, 0x23, 0x30, 0x39, 0x13, 0x27]),
  (view, hart, n) => view.readRegister(hart, registerByNumber(n)!),
);

figures.straight = await straight();
for (const [what, test] of [
  ['a register', bytecode],
  ['memory', memory],
] as const)
  figures[`condition on ${what} at _raw_spin_lock`] = await conditions('_raw_spin_lock', test);

await target.mover.seek(end);
for (const [what, name] of [
  ['a moment ago', 'jiffies_64'],
  ['early in the boot', 'saved_command_line'],
  ['never', 'linux_banner'],
] as const) {
  since = now();
  const { hit } = await target.mover.lastWrite(address(name), 8, { hart: 0 });
  figures[`last-write of what was written ${what}`] = { seconds: seconds(since), at: hit?.at.instructions ?? null };
}
const commandLine = address('saved_command_line');
since = now();
await target.mover.reverseContinue({ write: [commandLine, commandLine + 8n] });
figures['reverse-continue to a watchpoint early in the boot'] = {
  seconds: seconds(since),
  at: target.instant.instructions,
};
await target.mover.seek(Math.floor(end * 0.7));
const server = await startGdbServer(target, guestInfo, { port: 0 });
const client = await RawClient.connect(server.port);
await client.noAcks();
const steps: number[] = [];
for (let i = 0; i < 200; i++) {
  const from = performance.now();
  await client.ask('bs');
  steps.push(performance.now() - from);
}
steps.sort((a, b) => a - b);
client.destroy();
await server.close();
figures['reverse-stepi through the gdb protocol, milliseconds of wall time'] = {
  p50: Number(steps[100].toFixed(1)),
  p99: Number(steps[198].toFixed(1)),
};

// One process: the program of the command, where it makes system calls and touches pages.
await target.mover.seek(end);
const name = values.exec.split(' ')[0]!;
await target.mover.reverseContinue({
  execute: address('do_group_exit'),
  when: (_, hart) => guestInfo.current(hart)?.name === name,
});
const pid = guestInfo.current(target.activeHart())!.tgid;
await target.mover.seek(target.instant.instructions - 1_000_000);
const beginning = performance.now();
const inferior = await Process.open(target, guestInfo, pid);
figures['attach to a process, milliseconds of wall time'] = Number((performance.now() - beginning).toFixed(1));
for (const [what, move] of [
  ['forward', () => inferior.step(pid, { points: [] })],
  ['back', () => inferior.reverseStep(pid, { points: [] })],
] as const) {
  const times: number[] = [];
  for (let i = 0; i < 500; i++) {
    const from = performance.now();
    await move();
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  figures[`a step of a process ${what}, milliseconds of wall time`] = {
    p50: Number(times[250]!.toFixed(1)),
    p99: Number(times[494]!.toFixed(1)),
  };
}
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
await machine.close();
