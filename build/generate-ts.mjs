// Writes src/generated/ts-core.ts: `node build/generate-ts.mjs`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outfile = join(root, 'build/out/generate-ts.mjs');
await build({ entryPoints: [join(root, 'build/generate-ts.ts')], bundle: true, platform: 'node', format: 'esm', outfile, logLevel: 'error' });
const { generateTsCore } = await import(pathToFileURL(outfile).href);
mkdirSync(join(root, 'src/generated'), { recursive: true });
writeFileSync(join(root, 'src/generated/ts-core.ts'), generateTsCore());
