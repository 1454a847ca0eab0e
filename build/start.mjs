// `npm start`: a root shell on Debian Linux, from nothing but a clone. Arguments after `--` go to `hindsight run`.
import { hindsight } from './hindsight.mjs';

await hindsight(['run', ...process.argv.slice(2)]);
