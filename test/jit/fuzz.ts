// Random programs under the interpreter and the translator until the time is over: `node build/run.mjs test/jit/fuzz.ts SECONDS [FIRST SEED]`.
import { lockstep } from './lockstep.ts';

const seconds = Number(process.argv[2] ?? 60);
let seed = Number(process.argv[3] ?? 1);
const end = Date.now() + seconds * 1000;
let programs = 0,
  ticks = 0,
  translated = 0,
  rare = 0,
  dropped = 0,
  regions = 0,
  found = 0;
const modes = [
  { stops: [1, 2, 3, 7, 50, 1000], ticks: 4000, threshold: 0 },
  { stops: [20000], ticks: 60000, threshold: 0 },
  { stops: [997, 31, 5000], ticks: 60000, threshold: 3 },
  { stops: [4096], ticks: 40000, threshold: 1 },
  { stops: [1, 2, 3, 7, 50, 1000], ticks: 4000, threshold: 0, paged: true },
  { stops: [20000], ticks: 60000, threshold: 0, paged: true },
  { stops: [31, 997, 50], ticks: 40000, threshold: 0, elsewhere: true },
  { stops: [31, 997, 50], ticks: 40000, threshold: 0, paged: true, elsewhere: true },
  { stops: [997, 31, 5000], ticks: 60000, threshold: 3, paged: true },
  { stops: [31, 997, 50], ticks: 20000, threshold: 0, user: true },
  { stops: [997, 31, 300], ticks: 60000, threshold: 3, user: true },
];
while (Date.now() < end && found < 5) {
  const mode = modes[seed % modes.length];
  try {
    const s = lockstep(seed, mode);
    ticks += mode.ticks;
    translated += s.ticks;
    rare += s.left.rare;
    dropped += s.regions.dropped;
    regions += s.regions.made;
  } catch (e) {
    found++;
    console.log(String(e));
  }
  programs++;
  seed++;
}
console.log(JSON.stringify({ programs, ticks, translated, rare, regions, dropped, found, next: seed }));
process.exitCode = found > 0 ? 1 : 0;
