import type { ClockKind } from './clock.ts';
import { geomean, median } from './figures.ts';
import type { Marks } from './marks.ts';

/** What one engine did over all rounds of a family's workload. */
export interface Column {
  readonly engine: string;
  readonly rounds: Marks[];
}

/** A program's figures by engine. */
export interface Cell {
  /** Median, in milliseconds. */
  readonly milliseconds: number;
  readonly mips?: number;
  /** Speed in QEMU's, above 1 is faster: the median of the rounds' own ratios. */
  readonly ratio?: number;
}

/** A family of programs, measured. */
export interface Family {
  readonly name: string;
  readonly programs: Record<string, Record<string, Cell>>;
  /** Geometric means of the programs' ratios to QEMU, by engine. */
  readonly geomean: Record<string, number>;
}

/** What a run of the benchmark found; the baseline in the repository is one. */
export interface Report {
  readonly node: string;
  readonly qemu?: string;
  readonly clock: ClockKind;
  readonly rounds: number;
  readonly families: Family[];
}

/** Name of the engine that the others are compared with. */
export const REFERENCE = 'qemu';

/** Puts the rounds of a family's programs together. @throws when engines computed different things */
export function family(name: string, programs: readonly string[], columns: readonly Column[]): Family {
  const cells: Record<string, Record<string, Cell>> = {};
  const reference = columns.find((c) => c.engine === REFERENCE);
  for (const program of programs) {
    const of = (marks: Marks) => marks.results.find((r) => r.name === program);
    const values = new Set(columns.flatMap((c) => c.rounds.flatMap((m) => of(m)?.value ?? [])));
    if (values.size > 1) throw new Error(`bench: ${program} computed different things: ${[...values].join(', ')}`);
    cells[program] = {};
    for (const column of columns) {
      const results = column.rounds.map(of);
      const found = results.filter((r) => r !== undefined);
      if (found.length === 0) throw new Error(`bench: ${program} did not run on ${column.engine}`);
      const milliseconds = median(found.map((r) => r.milliseconds));
      const { instructions } = found[0];
      const ratios = results.flatMap((r, i) => {
        const there = reference?.rounds[i] && of(reference.rounds[i]);
        return r && there ? [there.milliseconds / r.milliseconds] : [];
      });
      cells[program][column.engine] = {
        milliseconds: round(milliseconds, 1),
        ...(instructions !== undefined && { mips: round(instructions / milliseconds / 1000, 0) }),
        ...(column !== reference && ratios.length > 0 && { ratio: round(median(ratios), 3) }),
      };
    }
  }
  const means: Record<string, number> = {};
  for (const { engine } of columns) {
    const ratios = programs.flatMap((p) => cells[p][engine].ratio ?? []);
    if (ratios.length > 0) means[engine] = round(geomean(ratios), 3);
  }
  return { name, programs: cells, geomean: means };
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => r[i].length)));
  return rows.map((r) =>
    r
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

/** A family as lines of text, with what a baseline says beside it. */
export function familyTable(family: Family, baseline?: Family): string[] {
  const engines = Object.keys(Object.values(family.programs)[0] ?? {});
  const others = engines.filter((e) => e !== REFERENCE);
  const compared = engines.includes(REFERENCE);
  const against = (now: number | undefined, then: number | undefined): string =>
    now === undefined || then === undefined ? '' : (now / then).toFixed(2);
  const head = [
    family.name,
    ...(compared ? ['qemu ms'] : []),
    ...others.flatMap((e) => [`${e} ms`, 'MIPS', ...(compared ? ['×QEMU'] : []), ...(baseline ? ['÷baseline'] : [])]),
  ];
  const rows = Object.entries(family.programs).map(([name, cells]) => [
    name,
    ...(compared ? [cells[REFERENCE].milliseconds.toFixed(0)] : []),
    ...others.flatMap((e) => [
      cells[e].milliseconds.toFixed(0),
      cells[e].mips?.toFixed(0) ?? '',
      ...(compared ? [cells[e].ratio?.toFixed(2) ?? ''] : []),
      ...(baseline ? [against(cells[e].ratio, baseline.programs[name]?.[e]?.ratio)] : []),
    ]),
  ]);
  const mean = [
    'geomean',
    ...(compared ? [''] : []),
    ...others.flatMap((e) => [
      '',
      median(Object.values(family.programs).map((c) => c[e].mips ?? 0)).toFixed(0),
      ...(compared ? [family.geomean[e]?.toFixed(2) ?? ''] : []),
      ...(baseline ? [against(family.geomean[e], baseline.geomean[e])] : []),
    ]),
  ];
  return table([head, ...rows, mean]);
}
