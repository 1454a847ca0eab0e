import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildGuest } from '../src/host/node/guest/index.ts';
import { tuneRuntime } from '../src/host/node/runtime-tuning.ts';
import { CORES, type CoreKind } from '../src/machine/engine/cores.ts';
import type { ClockKind } from './clock.ts';
import { median } from './figures.ts';
import { runHindsight } from './hindsight.ts';
import { io } from './io/index.ts';
import { micro } from './micro.ts';
import { ownMemory, processMemory } from './process-memory.ts';
import { FAMILIES, PROGRAMS } from './programs.ts';
import { qemuVersion, runQemu } from './qemu.ts';
import { REAL_PROGRAMS } from './real/programs.ts';
import { recordingCost } from './recording-cost.ts';
import { type Column, type Family, family, familyTable, REFERENCE, type Report } from './report.ts';
import { starts } from './starts.ts';
import { time } from './time.ts';
import { guestWorkload, realWorkload, type Workload } from './workload.ts';

const BASELINE = 'bench/baseline.json';
const REAL = 'real';
const CLOCKS: readonly ClockKind[] = ['wall', 'cpu', 'guest'];

const USAGE = `usage: npm run bench -- [--core jit,wasm,ts] [--family NAMES] [--programs NAMES] [--scale N] [--rounds N]
                        [--clock wall|cpu|guest] [--no-qemu] [--remembered] [--json FILE] [--update-baseline]
       npm run bench -- --micro | --time [--core jit] | --memory [--core jit,wasm] | --starts [--rounds N] | --io [--rounds N] [--no-qemu]
       npm run bench -- --node PROGRAM ...
Runs programs under Linux on each core, and under qemu-system-riscv64 when it is installed, in turn, recording on; prints one table a family, with
medians, geometric means, and the ratios to QEMU beside those of ${BASELINE}.
--family: integer, memory, float, system: programs of bench/guest; real: programs of the root disk.
--scale: every program of bench/guest does N times its work; short runs measure warming up, long ones the code.
--clock: wall; cpu, the time of all threads, compilers' included; guest, the time of the thread that executes the guest.
--remembered: the translator begins with what a run before the first round remembered.
--update-baseline: write ${BASELINE} anew. --micro: the cost of a TLB refill and of transitions. --time: recording, replay, seeks.
--starts: how soon a machine is there, and what a copy and a suspension take. --io: disks, shares and caches, beside QEMU's. --memory: the most memory a process has. --node: on another Node, such as node_modules/.bin/node of the npm package node.
`;

function chosen<T extends string>(flag: string, typed: string | undefined, all: readonly T[]): readonly T[] {
  if (typed === undefined) return all;
  const words = typed.split(',');
  const wrong = words.find((w) => !(all as readonly string[]).includes(w));
  if (wrong !== undefined) throw new Error(`${flag} ${wrong}: expected some of ${all.join(', ')}`);
  return all.filter((a) => words.includes(a));
}

function count(flag: string, typed: string): number {
  const n = Number(typed);
  if (!Number.isInteger(n) || n < 1) throw new Error(`${flag} ${typed}: expected a positive integer`);
  return n;
}

/** Runs a workload on every engine, round by round. */
async function measure(
  workload: Workload,
  engines: readonly string[],
  rounds: number,
  clock: ClockKind,
  remembers: boolean,
): Promise<Column[]> {
  let remembered: Uint8Array | undefined;
  if (remembers) {
    process.stderr.write('a run to remember\n');
    ({ remembered } = await runHindsight(workload, 'jit'));
  }
  const columns: Column[] = engines.map((engine) => ({ engine, rounds: [] }));
  for (let n = 1; n <= rounds; n++) {
    for (const { engine, rounds: done } of columns) {
      process.stderr.write(`round ${n}: ${engine}\n`);
      done.push(
        engine === REFERENCE
          ? await runQemu(workload, clock)
          : (await runHindsight(workload, engine as CoreKind, { clock, ...(remembered && { remembered }) })).marks,
      );
    }
  }
  return columns;
}

function userspace(columns: readonly Column[]): string {
  const each = columns.map(
    ({ engine, rounds }) => `${engine} ${median(rounds.map((m) => m.userspace ?? Number.NaN)).toFixed(0)} ms`,
  );
  return `first userspace line: ${each.join(', ')}`;
}

async function main(): Promise<void> {
  // as the command line does
  tuneRuntime();
  const { values } = parseArgs({
    options: {
      core: { type: 'string' },
      family: { type: 'string' },
      programs: { type: 'string' },
      scale: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '3' },
      clock: { type: 'string', default: 'wall' },
      'no-qemu': { type: 'boolean', default: false },
      remembered: { type: 'boolean', default: false },
      node: { type: 'string' },
      memory: { type: 'boolean', default: false },
      'own-memory': { type: 'boolean', default: false },
      micro: { type: 'boolean', default: false },
      time: { type: 'boolean', default: false },
      starts: { type: 'boolean', default: false },
      io: { type: 'boolean', default: false },
      json: { type: 'string' },
      'update-baseline': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (values.node !== undefined) return onNode(values.node);
  if (values.micro) return micro();
  const cores = chosen('--core', values.core, CORES);
  const [clock] = chosen('--clock', values.clock, CLOCKS);
  const rounds = count('--rounds', values.rounds);
  if (values.starts) return starts(rounds);
  if (values.io) return io(rounds, !values['no-qemu'] && qemuVersion() !== undefined);
  const scale = count('--scale', values.scale);
  const families = chosen('--family', values.family, [...FAMILIES, REAL]);
  const names = chosen('--programs', values.programs, [...PROGRAMS.map((p) => p.name), ...REAL_PROGRAMS]);
  const programs = PROGRAMS.filter((p) => names.includes(p.name) && families.includes(p.kind)).map((p) => ({
    ...p,
    scale: p.scale * scale,
  }));
  if (values.memory) {
    const same = process.argv
      .slice(2)
      .filter((word, i, all) => word !== '--memory' && word !== '--core' && all[i - 1] !== '--core');
    return processMemory(cores, (core) => [process.argv[1], ...same, '--own-memory', '--core', core]);
  }
  if (values['own-memory']) {
    using workload = await guestWorkload(programs);
    return ownMemory(workload, cores[0]);
  }
  if (values.time) {
    await time(await buildGuest({}), cores[0]);
    using workload = await guestWorkload(programs);
    return recordingCost(workload, cores[0], rounds);
  }
  const real = families.includes(REAL) ? REAL_PROGRAMS.filter((p) => names.includes(p)) : [];
  const qemu = values['no-qemu'] ? undefined : qemuVersion();
  const engines = [...(qemu ? [REFERENCE] : []), ...cores];
  const root = process.cwd();
  const report: Report = { node: process.version, ...(qemu && { qemu }), clock, rounds, families: [] };
  const baseline = readBaseline(join(root, BASELINE));
  const show = (f: Family): void => {
    report.families.push(f);
    const then = baseline?.families.find((b) => b.name === f.name);
    process.stdout.write(`${familyTable(f, then).join('\n')}\n\n`);
  };
  process.stdout.write(
    `Node ${process.version}, ${qemu ?? 'no QEMU'}; medians of ${rounds} rounds; milliseconds of ${clock} time; recording on\n\n`,
  );
  if (programs.length > 0) {
    using workload = await guestWorkload(programs);
    const columns = await measure(workload, engines, rounds, clock, values.remembered);
    for (const kind of FAMILIES) {
      const some = programs.filter((p) => p.kind === kind).map((p) => p.name);
      if (some.length > 0) show(family(kind, some, columns));
    }
    process.stdout.write(`${userspace(columns)}\n\n`);
  }
  if (real.length > 0) {
    using workload = await realWorkload(real);
    const columns = await measure(workload, engines, rounds, clock, values.remembered);
    for (const run of [1, 2])
      show(
        family(
          `${REAL}, run ${run}`,
          real.map((p) => `${p}/${run}`),
          columns,
        ),
      );
  }
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (values.json) writeFileSync(values.json, text);
  if (values['update-baseline']) writeFileSync(join(root, BASELINE), text);
}

/** The same on another Node. */
function onNode(program: string): void {
  const words = process.argv.slice(2).filter((word, i, all) => !word.startsWith('--node') && all[i - 1] !== '--node');
  execFileSync(program, [process.argv[1], ...words], { stdio: 'inherit' });
}

function readBaseline(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
