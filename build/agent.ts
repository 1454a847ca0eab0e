// Compiles src/guest/agent/agent.c into src/guest/agent/binary.ts: `node build/run.mjs build/write-agent.ts`, after
// a change of the source.
// The binary is kept in the repository, so that making a guest needs no compiler; a test runs both.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Scripts and tests run in the project's folder. */
const FOLDER = join(process.cwd(), 'src/guest/agent');
const SOURCE = join(FOLDER, 'agent.c');
const FLAGS = [
  '-Os',
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  '-ffreestanding',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-march=rv64gc',
  '-mabi=lp64d',
  '-nostdlib',
  '-static',
  '-Wl,--build-id=none',
  '-Wl,-z,norelro',
  '-Wl,-z,noseparate-code',
  '-s',
];

/** The agent as compiled now. */
export function compileAgent(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-agent-'));
  try {
    const out = join(folder, 'agent');
    execFileSync('riscv64-linux-gnu-gcc', [...FLAGS, '-o', out, SOURCE], { stdio: ['ignore', 'inherit', 'inherit'] });
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What tells whether the binary was made from the source as it is. */
export const sourceHash = (): string => createHash('sha256').update(readFileSync(SOURCE)).digest('hex');

/** Compiles the source and writes the binary beside it. */
export function writeBinary(): void {
  const lines =
    Buffer.from(compileAgent())
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  writeFileSync(
    join(FOLDER, 'binary.ts'),
    `// Made by build/agent.ts from agent.c.
/** SHA-256 of the source that it was compiled from. */
export const AGENT_SOURCE = '${sourceHash()}';
/** The agent: a static RISC-V program, in base64. */
export const AGENT_BASE64 =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`,
  );
}
