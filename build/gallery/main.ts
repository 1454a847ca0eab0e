// `npm run gallery -- DIR [NAME...]`: records the gallery's stories into a folder, each with the marks that tell it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STORIES } from './stories/index.ts';
import { Past } from './story.ts';

const [folder, ...names] = process.argv.slice(2);
const wanted = STORIES.filter(({ name }) => names.length === 0 || names.includes(name));
const unknown = names.filter((name) => !STORIES.some((story) => story.name === name));
if (folder === undefined || unknown.length > 0) {
  if (unknown.length > 0) process.stderr.write(`there is no story ${unknown.join(', ')}\n`);
  process.stderr.write(`usage: npm run gallery -- DIR [${STORIES.map(({ name }) => name).join('|')}]...\n`);
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
for (const story of wanted) {
  const path = join(folder, `${story.name}.hsr`);
  writeFileSync(path, await Past.tell(story, await story.record()));
  process.stdout.write(`${path}\n`);
}
