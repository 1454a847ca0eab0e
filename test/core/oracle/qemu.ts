import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMPARED, RAM_SIZE } from './layout.ts';

const EMULATOR = 'qemu-system-riscv64';
/** What QEMU is asked to have, so that both machines are the same; it has neither Zicond nor the CMO extensions before version 8. */
const CPU =
  'rv64,h=off,zba=on,zbb=on,zbc=on,zbs=on,svinval=on,svnapot=on,svpbmt=on,sstc=on,sscofpmf=off,pmu-num=29,debug=off';

/** Whether the oracle can be asked. */
export function haveQemu(): boolean {
  return spawnSync(EMULATOR, ['--version']).status === 0;
}

/** Runs an image on QEMU's `virt` machine until it powers off. @returns RAM afterwards. */
export function runQemu(image: Uint8Array): Uint8Array {
  const room = mkdtempSync(join(tmpdir(), 'core-oracle-'));
  try {
    const file = join(room, 'ram');
    const fd = openSync(file, 'w');
    writeSync(fd, image);
    ftruncateSync(fd, RAM_SIZE);
    closeSync(fd);
    // RAM is the file itself: nothing needs to be sent anywhere
    const result = spawnSync(
      EMULATOR,
      [
        '-M',
        'virt,memory-backend=ram',
        '-object',
        `memory-backend-file,id=ram,size=${RAM_SIZE},mem-path=${file},share=on`,
        '-m',
        String(RAM_SIZE >> 20),
        '-cpu',
        CPU,
        '-bios',
        'none',
        '-nographic',
        '-monitor',
        'none',
        '-serial',
        'none',
        '-no-reboot',
      ],
      { timeout: 120_000, encoding: 'utf8' },
    );
    if (result.status !== 0)
      throw new Error(`${EMULATOR} ended with ${result.status ?? result.signal}: ${result.stderr}`);
    return new Uint8Array(readFileSync(file)).slice(0, COMPARED);
  } finally {
    rmSync(room, { recursive: true });
  }
}
