/**
 * What probes cost: `nice node build/run.mjs bench/probes.ts RECORDING`. Each figure is a replay of the whole recording, beside one without probes.
 */
import { GuestInfo } from '../src/debug/guest-info.ts';
import { reachKernel } from '../src/history/kernel-start.ts';
import { openSource } from '../src/host/node/file-source.ts';
import { findImages } from '../src/host/node/images.ts';
import { createHostRoom } from '../src/host/room.ts';
import { textOutput } from '../src/probe/output.ts';
import { runProbes } from '../src/probe/run.ts';
import { readRecording } from '../src/record/reader.ts';
import { openTimeline } from '../src/timeline/open.ts';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: bench/probes.ts RECORDING');
const recording = await readRecording(openSource(file));
const images = await findImages(recording.header, [], new Set(recording.images.keys()));
const { timeline } = await openTimeline(recording, images, createHostRoom(), { core: 'jit', spacing: Infinity });
const guest = new GuestInfo(timeline.view);
await reachKernel(timeline, guest.kernel()!);

/** Milliseconds of this thread for a script, and what it printed. */
async function run(script: string): Promise<{ milliseconds: number; hits: number; text: string }> {
  await timeline.seek('0%');
  let text = '';
  const before = process.cpuUsage();
  const { hits } = await runProbes(
    timeline,
    guest,
    script,
    textOutput((piece) => (text += piece)),
  );
  const { user, system } = process.cpuUsage(before);
  return { milliseconds: (user + system) / 1000, hits, text };
}

const code = [...new Map([...guest.kernel()!.symbols].filter((s) => s.code).map((s) => [s.address, s.name])).values()];
const usable = code.filter((name) => /^[A-Za-z_]\w*$/.test(name));
/** Functions that the recording never calls. */
const unhit: string[] = [];
for (let at = 0; unhit.length < 10_000 && at < usable.length; at += 12_000) {
  const asked = usable.slice(at, at + 12_000);
  const { text } = await run(`${asked.map((name) => `kprobe:${name}`).join(', ')} { @[func] = count(); }`);
  const met = new Set(Array.from(text.matchAll(/^@\[(\w+)\]: /gm), (match) => match[1]));
  unhit.push(...asked.filter((name) => !met.has(name)));
}
const rounds = 3;
const most = unhit.slice(0, 10_000);
const scripts = {
  'no probe that is met': 'BEGIN { }',
  [`${most.length} probes, none met`]: `BEGIN { } ${most.map((name) => `kprobe:${name}`).join(', ')} { @ = count(); }`,
  'a counting probe': 'kprobe:__wake_up, kprobe:kfree, kprobe:vfs_read { @ = count(); }',
  'a counting probe with a predicate': 'kprobe:__wake_up, kprobe:kfree, kprobe:vfs_read /arg1 > 4096/ { @ = count(); }',
  'a map by name': 'kprobe:__wake_up, kprobe:kfree, kprobe:vfs_read { @[comm] = count(); }',
};
const best = new Map<string, { milliseconds: number; hits: number }>();
for (let round = 0; round < rounds; round++) {
  for (const [name, script] of Object.entries(scripts)) {
    const { milliseconds, hits } = await run(script);
    if (milliseconds < (best.get(name)?.milliseconds ?? Infinity)) best.set(name, { milliseconds, hits });
  }
}
const base = best.get('no probe that is met')!;
for (const [name, { milliseconds, hits }] of best) {
  const each = hits > 100 ? `, ${(((milliseconds - base.milliseconds) / hits) * 1000).toFixed(2)} us a hit` : '';
  process.stdout.write(`${name}: ${milliseconds.toFixed(0)} ms, ${hits} hits${each}\n`);
}
