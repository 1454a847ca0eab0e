import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeGuest, exec, load } from './guest.ts';

/** Debian's package `opensbi`. */
const OPENSBI = '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin';

describeGuest('a command in Debian', () => {
  it('sees Debian on riscv64 and a fixed date; its input, output and status pass; the machine is off behind it', async () => {
    const text = 'a line\nand one without an end';
    const { output, status, end } = await exec('uname -a; cat /proc/cpuinfo; nproc; date -u +%Y-%m-%d; cat; exit 7', {
      input: text,
    });
    expect(output).toMatch(/^Linux hindsight 6\.\d+\.\d+.* Debian .*riscv64 GNU\/Linux$/m);
    expect(output).toMatch(/^isa\s*: rv64imafdc_.*zba_zbb.*sstc/m);
    expect(output).toMatch(/^mmu\s*: sv57$/m);
    expect(output.endsWith(`\n1\n2026-01-01\n${text}`)).toBe(true);
    expect(status).toBe(7);
    expect(end.reason).toBe('halt');
    expect(end.halt).toEqual({ kind: 'poweroff', status: 0 });
  });

  it("has as many processors as the machine has harts, and they all work; the host's clock tells the date", async () => {
    const work =
      'date +%s; nproc; for i in 0 1 2 3; do taskset -c $i sh -c "i=0; while [ \\$i -lt 200 ]; do i=\\$((i+1)); done; echo \\$i" & done; wait';
    const before = Math.floor(Date.now() / 1000);
    const { output, status } = await exec(work, { harts: 4, clock: 'host' });
    const [date, ...rest] = output.split('\n');
    expect(rest).toEqual(['4', '200', '200', '200', '200', '']);
    expect(status).toBe(0);
    expect(Number(date)).toBeGreaterThanOrEqual(before);
    expect(Number(date)).toBeLessThanOrEqual(Date.now() / 1000 + 2);
  });

  it('runs on plain RV64GC', async () => {
    const { output, status } = await exec('grep -m1 ^isa /proc/cpuinfo', { isa: 'rv64gc', mmu: 'sv39' });
    expect(output).toMatch(/^isa\s*: rv64imafdc(_zicntr)?(_zicsr)?(_zifencei)?(_zihpm)?(_zca_zcd)?\n$/);
    expect(status).toBe(0);
  });

  it('draws from the entropy device, the same bytes every time and on each core', async () => {
    const command =
      'cat /sys/class/misc/hw_random/rng_current; dd if=/dev/hwrng bs=32 count=1 2>/dev/null | wc -c; dd if=/dev/hwrng bs=32 count=1 2>/dev/null | sha256sum';
    const options = { boot: { modules: ['virtio_mmio', 'virtio-rng'] } };
    const first = await exec(command, options);
    expect(first.output).toMatch(/^virtio_rng\.0\n32\n[0-9a-f]{64} {2}-\n$/);
    const second = await exec(command, { ...options, core: 'wasm' });
    expect(second.output).toBe(first.output);
    expect(second.machine.hash()).toBe(first.machine.hash());
  });

  it("boots under Debian's OpenSBI, with several harts", async (context) => {
    if (!existsSync(OPENSBI)) context.skip(`${OPENSBI} is missing: install Debian's package opensbi`);
    const { output, status, console, end } = await exec('nproc; uname -m; exit 3', {
      firmware: load(OPENSBI),
      harts: 2,
    });
    expect(console).toContain('OpenSBI v');
    expect(output).toBe('2\nriscv64\n');
    expect(status).toBe(3);
    expect(end.halt).toEqual({ kind: 'poweroff', status: 0 });
  });
});
