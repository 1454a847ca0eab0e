import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildGuest } from '../src/host/node/guest/index.ts';
import { tuneRuntime } from '../src/host/node/runtime-tuning.ts';
import type { CoreKind } from '../src/machine/engine/cores.ts';
import { CORES } from '../src/machine/engine/cores.ts';
import type { ClockKind } from './clock.ts';
import { benchArchive, benchCommandLine } from './guest.ts';
import { runHindsight } from './hindsight.ts';
import type { Marks } from './marks.ts';
import { micro } from './micro.ts';
import { PROGRAMS } from './programs.ts';
import { qemuVersion, runQemu } from './qemu.ts';
import { recordingCost } from './recording-cost.ts';
import { time } from './time.ts';

const USAGE = `usage: npm run bench -- [--core jit,wasm,ts] [--programs NAMES] [--scale N] [--rounds N] [--cpu] [--no-qemu] [--json FILE]
       npm run bench -- --micro | --time [--core jit]
Runs the guest programs under Linux on each core, and under qemu-system-riscv64 when it is installed, in turn; prints a table of medians.
--scale: every program does N times its work; short runs measure warming up, long ones the code.
--cpu: milliseconds of CPU time of all threads, compilers' included, instead of wall-clock time: for machines that are busy.
--micro: the cost of a TLB refill. --time: recording, replay, seeks and reverse-steps over a boot.
`;

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
};
const geomean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);

/** What one engine did over all rounds. */
interface Column {
  readonly engine: string;
  readonly rounds: Marks[];
}

function row(columns: readonly Column[], name: string): { milliseconds: number[]; mips: (number | undefined)[] } {
  const of = (c: Column): { milliseconds: number; mips?: number } => {
    const results = c.rounds.map((m) => m.results.find((r) => r.name === name)).filter((r) => r !== undefined);
    if (results.length === 0) return { milliseconds: Number.NaN };
    const milliseconds = median(results.map((r) => r.milliseconds));
    const { instructions } = results[0];
    return { milliseconds, ...(instructions === undefined ? {} : { mips: instructions / milliseconds / 1000 }) };
  };
  const cells = columns.map(of);
  return { milliseconds: cells.map((c) => c.milliseconds), mips: cells.map((c) => c.mips) };
}

async function main(): Promise<void> {
  // as the command line does
  tuneRuntime();
  const { values } = parseArgs({
    options: {
      core: { type: 'string', default: 'jit,wasm' },
      programs: { type: 'string' },
      scale: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '3' },
      cpu: { type: 'boolean', default: false },
      'no-qemu': { type: 'boolean', default: false },
      micro: { type: 'boolean', default: false },
      time: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (values.micro) {
    await micro();
    return;
  }
  const cores = values.core.split(',');
  for (const c of cores)
    if (!(CORES as readonly string[]).includes(c)) throw new Error(`--core ${c}: expected some of ${CORES.join(', ')}`);
  const clock = values.cpu ? 'cpu' : 'wall';
  const wanted = values.programs?.split(',');
  const scale = Number(values.scale);
  if (!(Number.isInteger(scale) && scale > 0)) throw new Error(`--scale ${values.scale}: expected a positive integer`);
  const programs = PROGRAMS.filter((p) => wanted?.includes(p.name) ?? true).map((p) => ({
    ...p,
    scale: p.scale * scale,
  }));
  if (programs.length === 0)
    throw new Error(`--programs ${values.programs}: expected some of ${PROGRAMS.map((p) => p.name).join(', ')}`);
  const qemu = values['no-qemu'] ? undefined : qemuVersion();
  const guest = await buildGuest({});
  const work = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
  try {
    const initrd = join(work, 'initrd.cpio');
    writeFileSync(initrd, Buffer.concat([readFileSync(guest.initrd), benchArchive(process.cwd())]));
    const files = { kernel: guest.kernel, initrd };
    const append = benchCommandLine(programs);
    if (values.time) {
      await time(guest, cores[0] as CoreKind);
      await recordingCost(files, append, cores[0] as CoreKind, Number(values.rounds));
      return;
    }
    const columns: Column[] = [...(qemu ? ['qemu'] : []), ...cores].map((engine) => ({ engine, rounds: [] }));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const column of columns) {
        process.stderr.write(`round ${round + 1}: ${column.engine}\n`);
        column.rounds.push(
          column.engine === 'qemu'
            ? await runQemu(files, append, undefined, clock)
            : await runHindsight(files, append, column.engine as CoreKind, undefined, undefined, clock),
        );
      }
    }
    report(
      columns,
      programs.map((p) => p.name),
      qemu,
      values.json,
      clock,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function report(
  columns: readonly Column[],
  names: readonly string[],
  qemu: string | undefined,
  json: string | undefined,
  clock: ClockKind,
): void {
  const rows = names.map((name) => ({ name, ...row(columns, name) }));
  for (const name of names) {
    const found = new Set(
      columns.flatMap((c) => c.rounds.flatMap((m) => m.results.filter((r) => r.name === name).map((r) => r.value))),
    );
    if (found.size > 1) throw new Error(`bench: ${name} computed different things: ${[...found].join(', ')}`);
  }
  const out: string[] = [
    `Node ${process.version}, ${qemu ?? 'no QEMU'}; median of ${columns[0].rounds.length} rounds; milliseconds ${clock === 'cpu' ? 'of CPU time of all threads' : 'by the wall'}`,
  ];
  const head = [
    'program',
    ...columns.flatMap((c) =>
      c.engine === 'qemu' ? ['qemu ms'] : [`${c.engine} ms`, 'MIPS', ...(qemu ? ['×QEMU'] : [])],
    ),
  ];
  const table = rows.map((r) => [
    r.name,
    ...columns.flatMap((c, i) =>
      c.engine === 'qemu'
        ? [r.milliseconds[i].toFixed(0)]
        : [
            r.milliseconds[i].toFixed(0),
            (r.mips[i] ?? 0).toFixed(0),
            ...(qemu ? [(r.milliseconds[0] / r.milliseconds[i]).toFixed(2)] : []),
          ],
    ),
  ]);
  const widths = head.map((h, i) => Math.max(h.length, ...table.map((t) => t[i].length)));
  for (const line of [head, ...table])
    out.push(line.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  '));
  columns.forEach((c, i) => {
    const userspace = median(c.rounds.map((m) => m.userspace ?? Number.NaN));
    const speed = c.engine === 'qemu' ? '' : `; median ${median(rows.map((r) => r.mips[i] ?? 0)).toFixed(0)} MIPS`;
    const ratio = (some: typeof rows): string =>
      geomean(some.map((r) => r.milliseconds[0] / r.milliseconds[i])).toFixed(2);
    const byKind = [...new Set(PROGRAMS.map((p) => p.kind))].flatMap((kind) => {
      const some = rows.filter((r) => PROGRAMS.some((p) => p.name === r.name && p.kind === kind));
      return some.length > 0 ? [`${kind} ${ratio(some)}`] : [];
    });
    const against = qemu && c.engine !== 'qemu' ? `; geomean ${ratio(rows)} × QEMU (${byKind.join(', ')})` : '';
    out.push(`${c.engine}: first userspace line after ${userspace.toFixed(0)} ms${speed}${against}`);
  });
  process.stdout.write(`${out.join('\n')}\n`);
  if (json)
    writeFileSync(
      json,
      `${JSON.stringify({ node: process.version, qemu, engines: columns.map((c) => c.engine), rows }, null, 2)}\n`,
    );
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
