import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readFirmware, readKernel } from '../../src/machine/boot/image.ts';
import { firmwareKind } from '../../src/machine/boot/opensbi.ts';
import { type BootPlan, planBoot } from '../../src/machine/boot/plan.ts';
import { elf } from './load-samples.ts';

/** Where Debian's opensbi package puts the generic platform's firmware. */
const OPENSBI = '/usr/lib/riscv64-linux-gnu/opensbi/generic';
const FILES = ['fw_dynamic.bin', 'fw_dynamic.elf', 'fw_jump.bin', 'fw_jump.elf'];
const installed = existsSync(join(OPENSBI, FILES[0]!));
const qemu = spawnSync('qemu-system-riscv64', ['--version']).status === 0;
const firmware = (name: string): ReturnType<typeof readFirmware> =>
  readFirmware(name, readFileSync(join(OPENSBI, name)));

const words = (...list: number[]): Uint8Array => new Uint8Array(Uint32Array.from(list).buffer);

/** A kernel that prints K when a1 points to a device tree, ? otherwise, through legacy SBI, and shuts down through SRST. */
const KERNEL = words(
  0x0005a283, // lw t0, 0(a1)
  0x000ee337,
  0xfe13031b,
  0x00c31313,
  0xdd030313,
  0x0003031b, // li t1, 0xedfe0dd0; sext.w
  0x04b00513, // li a0, 'K'
  0x00628463, // beq t0, t1, +8
  0x03f00513, // li a0, '?'
  0x00100893,
  0x00000073, // li a7, 1; ecall
  0x00000513,
  0x00000593,
  0x00000813,
  0x535258b7,
  0x3548889b,
  0x00000073, // SRST shutdown
  0x0000006f, // j .
);

/** Code for QEMU's harts to begin with: registers as the plan wants them, then to its entry. */
function trampoline(plan: BootPlan): Uint8Array {
  const code = words(
    0xf1402573, // csrr a0, mhartid
    0x00000297, // auipc t0, 0
    0x01c2b583, // ld a1, 28(t0)
    0x0242b603, // ld a2, 36(t0)
    0x02c2b303, // ld t1, 44(t0)
    0x00030067, // jr t1
    0x00000013,
    0x00000013,
  );
  const { a1, a2, pc } = plan.harts[0]!;
  const values = new Uint8Array(BigUint64Array.from([a1, a2, pc].map(BigInt)).buffer);
  return Uint8Array.from([...code, ...values]);
}

describe.skipIf(!installed)("Debian's OpenSBI", () => {
  it.each(FILES)('%s is recognised', (name) => {
    const image = firmware(name);
    expect(image.entry).toBe(0x8000_0000);
    expect(firmwareKind(image)).toBe(name.startsWith('fw_dynamic') ? 'dynamic' : 'jump');
  });

  describe.skipIf(!qemu)('under QEMU', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hindsight-opensbi-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(FILES)('%s starts a kernel from our plan', { timeout: 30_000 }, (name) => {
      const plan = planBoot({
        kernel: readKernel('kernel', elf({ segments: [{ physical: 0x8020_0000n, bytes: KERNEL }] })),
        firmware: firmware(name),
        machine: {
          harts: 2,
          ramSize: 128 << 20,
          isaBase: 'rv64i',
          isaExtensions: ['i', 'm', 'a', 'f', 'd', 'c', 'zicsr'],
          mmu: 'sv48',
          bootargs: '',
          rngSeed: new Uint8Array(32),
          virtioSlots: [],
        },
      });
      // The page of the firmware's structure has room behind it.
      const start = plan.harts[0]!.a2 + 1024;
      const pieces = [
        ...plan.placements.map((p) => ({ address: p.address, bytes: p.bytes })),
        { address: start, bytes: trampoline(plan) },
      ];
      const loaders = pieces.flatMap(({ address, bytes }, i) => {
        const file = join(folder, `${name}-${i}`);
        writeFileSync(file, bytes);
        return ['-device', `loader,file=${file},addr=${address},force-raw=on`];
      });
      const starts = plan.harts.flatMap(({ hart }) => ['-device', `loader,addr=${start},cpu-num=${hart}`]);
      const options = [
        '-M',
        'virt',
        '-smp',
        '2',
        '-m',
        '128M',
        '-bios',
        'none',
        '-display',
        'none',
        '-serial',
        'stdio',
        '-monitor',
        'none',
      ];
      const ran = spawnSync('qemu-system-riscv64', [...options, ...loaders, ...starts], { timeout: 20_000, input: '' });
      const output = ran.stdout.toString();
      expect(output, ran.stderr.toString()).toMatch(/OpenSBI v[\s\S]*Domain0 Next Mode +: S-mode[\s\S]*K$/);
      expect(output).toMatch(/Domain0 Next Address +: 0x0*80200000/);
      expect(output).toMatch(/Platform HART Count +: 2/);
      expect(ran.status).toBe(0);
    });
  });
});
