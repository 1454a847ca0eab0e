import { closeSync, openSync, writeSync } from 'node:fs';
import { PerfettoTrace } from '../../history/perfetto.ts';
import { readHistory } from '../../history/read.ts';
import { TABLES } from '../../history/tables/index.ts';
import { EXIT } from '../exit.ts';
import { explained, interruptSignal, openRecording } from '../recordings.ts';
import type { ExportFlags } from './export.ts';
import { findKernel, instantOf, parsePlaces } from './history.ts';

/** Writes what happened as a trace that ui.perfetto.dev and trace_processor open. */
export async function exportPerfetto(file: string, target: string, flags: ExportFlags): Promise<number> {
  const places = parsePlaces(flags);
  const { timeline } = await openRecording(file, flags);
  const signal = interruptSignal();
  const kernel = await findKernel(timeline, file, signal);
  const from = await instantOf(timeline, places.from, signal);
  const until = await instantOf(timeline, places.until, signal);
  const trace = new PerfettoTrace();
  let rows = 0;
  const reason = await explained(
    timeline,
    readHistory(
      timeline,
      kernel,
      TABLES.filter((table) => PerfettoTrace.draws(table)),
      (table, row) => {
        trace.add(table, row);
        rows++;
      },
      { signal, ...(from !== undefined && { from }), ...(until !== undefined && { until }) },
    ),
  );
  const bytes = trace.finish(timeline.engine.time);
  const output = target === '-' ? 1 : openSync(target, 'w');
  for (let at = 0; at < bytes.length; ) at += writeSync(output, bytes, at);
  if (output !== 1) closeSync(output);
  if (reason === 'interrupted')
    process.stderr.write(`hindsight: interrupted at ${timeline.at.instructions} instructions: the trace is partial\n`);
  else if (flags.quiet !== true) process.stderr.write(`hindsight: ${rows} slices\n`);
  return reason === 'interrupted' ? EXIT.INTERRUPT : EXIT.OK;
}
