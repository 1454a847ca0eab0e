import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OBJDUMP = 'riscv64-linux-gnu-objdump';

/** Whether the GNU disassembler is there. */
export const haveObjdump = spawnSync(OBJDUMP, ['--version']).error === undefined;

export interface OracleLine {
  readonly address: number;
  readonly word: number;
  readonly length: number;
  readonly text: string;
}

/** All but Zicond, which binutils 2.40 does not know. */
const ARCH =
  'rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0_zicsr2p0_zifencei2p0_zba1p0_zbb1p0_zbc1p0_zbs1p0_zicbom1p0_zicboz1p0_zicbop1p0_zawrs1p0_svinval1p0';

/** Older binutils write the immediate forms with the name of the register forms. */
const SHORTENED =
  /^(add|and|or|xor|sll|srl|sra|ror|slt|sltu|csrw|csrs|csrc|csrrw|csrrs|csrrc|fsflags|fsrm|bclr|bext|binv|bset|(?:add|sll|srl|sra|ror)(?=i?w))i?(w?) /;

/** Spellings that differ between binutils versions made one. */
export function normal(text: string): string {
  const short = SHORTENED.exec(text);
  const named = short ? `${short[1]}${short[2]} ${text.slice(short[0].length)}` : text;
  return /^(j|jal|b[a-z]+) /.test(named) ? named.replace(/(^|[ ,])(?:0x)?([0-9a-f]+)(?: <.*>)?$/, '$1$2') : named;
}

/** What GNU objdump says of raw code at address 0. */
export function objdump(code: Uint8Array): OracleLine[] {
  const room = mkdtempSync(join(tmpdir(), 'disassemble-'));
  try {
    writeFileSync(join(room, 'code'), code);
    writeFileSync(join(room, 'code.s'), `.attribute arch, "${ARCH}"\n.text\n.incbin "${join(room, 'code')}"\n`);
    execFileSync('riscv64-linux-gnu-as', ['-march=rv64gc', '-o', join(room, 'code.o'), join(room, 'code.s')]);
    // Without mapping symbols the bytes count as code.
    execFileSync('riscv64-linux-gnu-strip', [join(room, 'code.o')]);
    const out = execFileSync(OBJDUMP, ['-D', '-z', '-j', '.text', join(room, 'code.o')], {
      maxBuffer: 2 ** 30,
      encoding: 'utf8',
    });
    const lines: OracleLine[] = [];
    for (const line of out.split('\n')) {
      const m = /^\s*([0-9a-f]+):\s+([0-9a-f]+)\s+(.*)$/.exec(line);
      if (!m) continue;
      const text = m[3]
        .replace(/\s+#.*$/, '')
        .replace(/\s+/, ' ')
        .trim();
      lines.push({ address: parseInt(m[1], 16), word: parseInt(m[2], 16), length: m[2].length / 2, text });
    }
    return lines;
  } finally {
    rmSync(room, { recursive: true, force: true });
  }
}

/** The code of the cross toolchain's C library. */
export function libraryText(): Uint8Array {
  const room = mkdtempSync(join(tmpdir(), 'disassemble-'));
  try {
    const library = execFileSync('riscv64-linux-gnu-gcc', ['-print-file-name=libc.so.6'], { encoding: 'utf8' }).trim();
    execFileSync('riscv64-linux-gnu-objcopy', ['-O', 'binary', '-j', '.text', library, join(room, 'text')]);
    return readFileSync(join(room, 'text'));
  } finally {
    rmSync(room, { recursive: true, force: true });
  }
}
