// Run as `node build/run.mjs build/write-page-programs.ts`: compiles the programs of the page's bench again.
import { writePrograms } from './page-programs.ts';

writePrograms();
