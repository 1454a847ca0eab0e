/**
 * What a hit of a probe costs: a loop of 40 instructions with a script on one of them, and without. `node build/run.mjs bench/probes.ts [ROUNDS]`
 */
import { createHostRoom } from '../src/host/room.ts';
import { assemble } from '../src/isa/encode.ts';
import { INSTRUCTION_BY_NAME } from '../src/isa/instructions.ts';
import { RAM_BASE } from '../src/isa/layout.ts';
import { Machine } from '../src/machine/session/machine.ts';
import { LiveProbes } from '../src/probe/live.ts';
import { textOutput } from '../src/probe/output.ts';
import { benchClock } from './clock.ts';

const LOOP = 40;
/** Turns of a round; the clock is a coarse one. */
const TURNS = 4_000_000;
const CALLBACK_TURNS = 200_000;
const POINT = `watchpoint:0x${(RAM_BASE + 80).toString(16)}:1:x`;

const word = (name: string, operands: Parameters<typeof assemble>[1]): number =>
  assemble(INSTRUCTION_BY_NAME.get(name)!, operands);

/** Adds to registers in turns; a0 is the number of the turn. */
function loop(): Uint8Array {
  const words = Array.from({ length: LOOP - 1 }, (_, i) => {
    const register = i === 0 ? 10 : 11 + (i % 8);
    return word('addi', { rd: register, rs1: register, imm: 1 });
  });
  words.push(word('jal', { rd: 0, imm: -4 * (LOOP - 1) }));
  return new Uint8Array(Uint32Array.from(words).buffer);
}

const CASES: Readonly<Record<string, readonly [what: string, script: string | undefined]>> = {
  none: ['no script', undefined],
  unmet: ['10,000 points that are not met', `watchpoint:0x90000000:1:x { @ = count(); }`],
  count: ['count, predicate on a register', `${POINT} /arg0 & 1/ { @ = count(); }`],
  map: ['map update, keyed by a register', `${POINT} { @[arg0 & 255] = sum(arg1); }`],
  callback: ['run as a callback', `${POINT} { $i = arg0; }`],
};

const now = benchClock('guest');
const machines = new Map<string, { readonly machine: Machine; readonly live: LiveProbes | undefined }>();
for (const [name, [, script]] of Object.entries(CASES)) {
  const firmware = { file: 'loop', bytes: loop() };
  const machine = await Machine.create({ firmware, memory: '16M', core: 'jit', clock: 'virtual' }, createHostRoom());
  const text =
    name === 'unmet'
      ? `${Array.from({ length: 10_000 }, (_, i) => `watchpoint:0x${(RAM_BASE + 4096 + 2 * i).toString(16)}:1:x`).join(',')} { @ = count(); }`
      : script;
  const live =
    text === undefined
      ? undefined
      : await LiveProbes.start(
          machine,
          text,
          textOutput(() => {}),
        );
  machines.set(name, { machine, live });
}
const best = new Map<string, number>();
const rounds = Number(process.argv[2] ?? 7);
for (let round = 0; round <= rounds; round++) {
  for (const [name, { machine }] of machines) {
    const turns = name === 'callback' ? CALLBACK_TURNS : TURNS;
    const to = machine.internals.engine.instructions + LOOP * turns;
    const start = now();
    await machine.run({ instructions: to });
    const took = ((now() - start) * 1e6) / turns;
    // The first warms up.
    if (round > 0) best.set(name, Math.min(best.get(name) ?? Infinity, took));
  }
}
const plain = best.get('none')!;
process.stdout.write(`loop without a script: ${plain.toFixed(1)} ns a turn of ${LOOP} instructions\n`);
for (const [name, [what]] of Object.entries(CASES))
  if (name !== 'none') process.stdout.write(`${what}: ${(best.get(name)! - plain).toFixed(1)} ns\n`);
for (const [name, { live }] of machines) {
  live?.end();
  const hits = (await live?.ended)?.hits ?? 0;
  const expected =
    name === 'none' || name === 'unmet' ? 0 : (rounds + 1) * (name === 'callback' ? CALLBACK_TURNS : TURNS);
  if (hits !== expected) throw new Error(`${name}: ${hits} hits, expected ${expected}`);
}
for (const { machine } of machines.values()) await machine.close();
