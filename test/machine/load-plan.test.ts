import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_RAM } from '../../src/isa/layout.ts';
import { asCells, findNode, findProperty, readFdt } from '../../src/machine/board/fdt.ts';
import { RAM_BASE } from '../../src/machine/board/memory-map.ts';
import { readFirmware, readKernel } from '../../src/machine/boot/image.ts';
import { LoadError } from '../../src/machine/boot/load-error.ts';
import { type BootPlan, type BootRequest, type Placement, planBoot } from '../../src/machine/boot/plan.ts';
import { PlanPages } from '../../src/machine/boot/plan-pages.ts';
import { elf, linuxImage } from './load-samples.ts';

const MIB = 1 << 20;
const machine = (ramSize: number, harts = 2): BootRequest['machine'] => ({
  harts,
  ramSize,
  isaBase: 'rv64i',
  isaExtensions: ['i', 'm', 'a'],
  mmu: 'sv39',
  bootargs: 'a=b',
  rngSeed: new Uint8Array(32),
  virtioSlots: [0],
});
const kernelOf = (imageSize: number): ReturnType<typeof readKernel> => readKernel('vmlinux', linuxImage({ imageSize }));
const initrdOf = (size: number): { file: string; bytes: Uint8Array } => ({
  file: 'initrd.img',
  bytes: new Uint8Array(size).fill(7),
});
const rawFirmware = readFirmware('fw.bin', new Uint8Array(100_000).fill(0x13));
const jumpFirmware = readFirmware(
  'fw_jump.bin',
  Uint8Array.from([...new Uint8Array(64), ...new TextEncoder().encode('xOOpenSBI v1.1')]),
);

const placed = (plan: BootPlan, what: Placement['what']): Placement => {
  const found = plan.placements.find((p) => p.what === what);
  if (!found) throw new Error(`no ${what} in the plan`);
  return found;
};
const treeOf = (plan: BootPlan): ReturnType<typeof readFdt> => readFdt(placed(plan, 'device tree').bytes);
const refusal = (request: BootRequest): string => {
  try {
    planBoot(request);
  } catch (error) {
    expect(error).toBeInstanceOf(LoadError);
    return (error as LoadError).message;
  }
  throw new Error('nothing was refused');
};

describe('a kernel on SBI in the host', () => {
  const plan = planBoot({ kernel: kernelOf(31 * MIB), initrd: initrdOf(5000), machine: machine(128 * MIB) });

  it('starts on hart 0 with its id and the device tree; other harts wait stopped', () => {
    const common = { pc: 0x8020_0000, mode: 'supervisor', a1: plan.deviceTree, a2: 0 };
    expect(plan.harts).toEqual([
      { hart: 0, started: true, a0: 0, ...common },
      { hart: 1, started: false, a0: 1, ...common },
    ]);
    expect(plan.entry).toBe(0x8020_0000);
    expect(placed(plan, 'device tree').address).toBe(plan.deviceTree);
  });

  it('finds its initrd where the device tree says, page-aligned at the top of RAM', () => {
    const initrd = placed(plan, 'initrd');
    expect(initrd.address % 4096).toBe(0);
    expect(initrd.address + 5000).toBeLessThanOrEqual(plan.deviceTree);
    expect(plan.deviceTree).toBeGreaterThan(RAM_BASE + 127 * MIB);
    const chosen = findNode(treeOf(plan), '/chosen');
    expect(asCells(findProperty(chosen, 'linux,initrd-start')!)).toEqual([0, initrd.address]);
    expect(asCells(findProperty(chosen, 'linux,initrd-end')!)).toEqual([0, initrd.address + 5000]);
  });

  it('needs neither firmware in RAM nor memory kept for it', () => {
    expect(plan.placements.map((p) => p.what).sort()).toEqual(['device tree', 'initrd', 'kernel']);
    expect(findNode(treeOf(plan), '/reserved-memory')).toBeUndefined();
  });
});

describe('a kernel on firmware in the guest', () => {
  const plan = planBoot({ kernel: kernelOf(MIB), firmware: rawFirmware, machine: machine(64 * MIB) });

  it('starts every hart in the firmware, in M-mode, with the structure fw_dynamic wants', () => {
    const info = placed(plan, 'firmware info');
    expect(plan.harts).toEqual(
      [0, 1].map((hart) => ({
        hart,
        started: true,
        pc: RAM_BASE,
        mode: 'machine',
        a0: hart,
        a1: plan.deviceTree,
        a2: info.address,
      })),
    );
    expect(info.address % 8).toBe(0);
    const view = new DataView(info.bytes.buffer);
    // magic "OSBI", version, next_addr, next_mode (S), options, boot_hart
    expect([0, 8, 16, 24, 32, 40].map((at) => view.getBigUint64(at, true))).toEqual([
      0x4942534fn,
      2n,
      0x8020_0000n,
      1n,
      0n,
      0n,
    ]);
  });

  it('keeps the firmware, and leaves it room to edit the device tree', () => {
    const tree = treeOf(plan);
    expect(asCells(findProperty(findNode(tree, '/reserved-memory/mmode_resv0@80000000'), 'reg')!)).toEqual([
      0, 0x8000_0000, 0, 0x20_0000,
    ]);
    const end = plan.deviceTree + placed(plan, 'device tree').bytes.length;
    for (const p of plan.placements)
      if (p.address > plan.deviceTree) expect(p.address - end).toBeGreaterThanOrEqual(16 * 1024);
  });

  it('may come without a kernel', () => {
    const alone = planBoot({ firmware: rawFirmware, machine: machine(8 * MIB) });
    expect(alone.placements.map((p) => p.what).sort()).toEqual(['device tree', 'firmware', 'firmware info']);
    expect(() => planBoot({ machine: machine(8 * MIB) })).toThrow(/nothing to boot.*--kernel FILE/);
  });

  it('does not keep a payload from itself', () => {
    const big = readFirmware('fw_payload.bin', new Uint8Array(6 * MIB).fill(0x13));
    const tree = treeOf(planBoot({ firmware: big, machine: machine(64 * MIB) }));
    expect(asCells(findProperty(findNode(tree, '/reserved-memory')!.children[0], 'reg')!)).toEqual([
      0, 0x8000_0000, 0, 0x20_0000,
    ]);
  });
});

describe('what does not fit', () => {
  it('a kernel in small RAM: says both sizes and a memory that will do', () => {
    expect(refusal({ kernel: kernelOf(31 * MIB), machine: machine(32 * MIB) })).toBe(
      'vmlinux: the kernel needs 31 MiB of memory at 0x80200000, but RAM of 32 MiB is 0x80000000 to 0x82000000, where a device tree must fit too. ' +
        'Give the machine more memory, such as --mem 128M.',
    );
  });

  it('an initrd: says what room there is', () => {
    expect(refusal({ kernel: kernelOf(32 * MIB), initrd: initrdOf(100 * MIB), machine: machine(64 * MIB) })).toMatch(
      /^initrd\.img: the initrd of 100 MiB does not fit into the 30 MiB that the kernel leaves of 64 MiB RAM\. .*--mem 320M\.$/,
    );
  });

  it('an empty initrd is refused', () => {
    expect(refusal({ kernel: kernelOf(MIB), initrd: initrdOf(0), machine: machine(64 * MIB) })).toMatch(
      /initrd is empty.*Leave --initrd away/,
    );
  });

  it('more than the largest machine has', () => {
    const message = refusal({ kernel: kernelOf(MAX_RAM), machine: machine(128 * MIB) });
    expect(message).toMatch(/largest machine has 3584 MiB/);
    expect(refusal({ kernel: readKernel('k', linuxImage({ imageSize: 2 ** 52 })), machine: machine(MIB) })).toMatch(
      /^k: the kernel needs/,
    );
  });

  it('an ELF program outside RAM', () => {
    const kernel = readKernel('prog', elf({ entry: 0x9000_0000n, segments: [{ physical: 0x9000_0000n }] }));
    expect(refusal({ kernel, machine: machine(64 * MIB) })).toMatch(
      /^prog: the kernel needs 16 bytes of memory at 0x90000000/,
    );
  });

  it('a suggestion is always enough', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 64 }),
        fc.boolean(),
        (kernelMib, initrdMib, ramMib, image) => {
          const request = (ramSize: number): BootRequest => ({
            kernel: kernelOf(kernelMib * MIB),
            initrd: initrdOf(initrdMib * 1024),
            ...(image && { firmware: rawFirmware }),
            machine: machine(ramSize),
          });
          try {
            planBoot(request(ramMib * MIB));
          } catch (error) {
            const suggested = /--mem (\d+)M/.exec((error as Error).message)![1];
            planBoot(request(Number(suggested) * MIB));
          }
        },
      ),
      { seed: 8, numRuns: 100 },
    );
  });
});

describe('what collides', () => {
  it('a kernel on the firmware', () => {
    const kernel = readKernel('prog', elf({ entry: 0x8000_1000n, segments: [{ physical: 0x8000_1000n }] }));
    expect(refusal({ kernel, firmware: rawFirmware, machine: machine(64 * MIB) })).toMatch(
      /^prog: the kernel \(0x80001000 to 0x80001010\) overlaps the firmware of fw\.bin/,
    );
  });

  it('two segments of one program', () => {
    const kernel = readKernel('prog', elf({ segments: [{ physical: 0x8020_0000n }, { physical: 0x8020_0008n }] }));
    expect(refusal({ kernel, machine: machine(64 * MIB) })).toMatch(/^prog: .*overlaps.*Fetch or build/);
  });

  it('a kernel where fw_jump moves the device tree, or elsewhere than it jumps', () => {
    expect(refusal({ kernel: kernelOf(33 * MIB), firmware: jumpFirmware, machine: machine(128 * MIB) })).toMatch(
      /fw_jump, which moves the device tree.*fw_dynamic\.bin/,
    );
    const kernel = readKernel('prog', elf({ entry: 0x8040_0000n, segments: [{ physical: 0x8040_0000n }] }));
    expect(refusal({ kernel, firmware: jumpFirmware, machine: machine(128 * MIB) })).toMatch(
      /enters the kernel at 0x80200000, but prog begins at 0x80400000/,
    );
    planBoot({ kernel: kernelOf(31 * MIB), firmware: jumpFirmware, machine: machine(128 * MIB) });
  });
});

describe('placements', () => {
  it('never overlap and all lie in RAM', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4096, max: 40 * MIB }),
        fc.option(fc.integer({ min: 1, max: 5 * MIB })),
        fc.boolean(),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1 * MIB, max: 80 * MIB }),
        (imageSize, initrd, image, harts, ramSize) => {
          const rounded = ramSize - (ramSize % 4096);
          let plan: BootPlan;
          try {
            plan = planBoot({
              kernel: kernelOf(imageSize),
              ...(initrd && { initrd: initrdOf(initrd) }),
              ...(image && { firmware: rawFirmware }),
              machine: machine(rounded, harts),
            });
          } catch (error) {
            expect(error).toBeInstanceOf(LoadError);
            return;
          }
          const sorted = [...plan.placements].sort((a, b) => a.address - b.address);
          let end = RAM_BASE;
          for (const p of sorted) {
            expect(p.address).toBeGreaterThanOrEqual(end);
            end = p.address + p.memorySize;
          }
          expect(end).toBeLessThanOrEqual(RAM_BASE + rounded);
        },
      ),
      { seed: 4, numRuns: 300 },
    );
  });

  it('are given page by page, with zeros around them', () => {
    const kernel = readKernel(
      'prog',
      elf({ segments: [{ physical: 0x8020_0000n, bytes: Uint8Array.of(1, 2), memorySize: 4 }] }),
    );
    const pages = new PlanPages(planBoot({ kernel, machine: machine(4 * MIB) }));
    const page = new Uint8Array(4096).fill(0xff);
    pages.read(0x20_0000 / 4096, page);
    expect(pages.pages.has(0x20_0000 / 4096)).toBe(true);
    expect(pages.pages.has(0x20_1000 / 4096)).toBe(false);
    expect(Array.from(page.subarray(0, 5))).toEqual([1, 2, 0, 0, 0]);
    expect(page.subarray(2).every((byte) => byte === 0)).toBe(true);
  });
});
