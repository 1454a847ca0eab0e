// Random programs under the interpreter and the translator until the time is over: `node build/run.mjs test/jit/fuzz.ts SECONDS [FIRST SEED]`.
import { lockstep } from './lockstep.ts';

const seconds = Number(process.argv[2] ?? 60);
let seed = Number(process.argv[3] ?? 1);
const end = Date.now() + seconds * 1000;
let programs = 0, ticks = 0, translated = 0, rare = 0, dropped = 0, regions = 0, found = 0;
const modes = [[[1, 2, 3, 7, 50, 1000], 4000, 0], [[20000], 60000, 0], [[997, 31, 5000], 60000, 3], [[4096], 40000, 1]] as const;
while (Date.now() < end && found < 5) {
  const [stops, length, threshold] = modes[seed % modes.length];
  try {
    const s = lockstep(seed, stops, length, threshold);
    ticks += length;
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
