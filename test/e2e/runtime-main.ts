// What runtimes.test.ts runs in each JavaScript runtime, with KERNEL INITRD "COMMAND LINE" CORE STEP END: prints the hash at every step.
import { readFileSync } from 'node:fs';
import { type CoreKind, createHostRoom, Machine } from '../../src/index.ts';

const [kernel, initrd, append, core, step, end] = process.argv.slice(2);
const load = (file: string, role: string): { file: string; bytes: Uint8Array } => ({
  file: role,
  bytes: new Uint8Array(readFileSync(file)),
});
const machine = await Machine.create({
  kernel: load(kernel, 'kernel'),
  initrd: load(initrd, 'initrd'),
  append,
  core: core as CoreKind,
  seed: 5,
});
const hashes: string[] = [];
const room = createHostRoom();
const begun = room.now();
for (let at = Number(step); at <= Number(end); at += Number(step)) {
  await machine.run({ instructions: at });
  hashes.push(machine.hash());
}
const seconds = (room.now() - begun) / 1000;
await machine.close();
process.stdout.write(`${JSON.stringify({ hashes, seconds, instructions: machine.instant.instructions })}\n`);
