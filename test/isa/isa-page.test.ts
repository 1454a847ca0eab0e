import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { INSTRUCTIONS } from '../../src/isa/instructions.ts';
import { isaPage } from '../../src/isa/isa-page.ts';

it('docs/isa.md is what the tables say', () => {
  const page = isaPage();
  for (const { name } of INSTRUCTIONS) expect(page).toContain(`\`${name}\``);
  expect(
    readFileSync(join(import.meta.dirname, '../../docs/isa.md'), 'utf8'),
    'docs/isa.md is out of date: write what isaPage() returns to it',
  ).toBe(page);
});
