import { MEMORY_MAP, VIRTIO_SLOTS, virtioRegion } from '../../machine/board/memory-map.ts';
import type { MachineView } from '../../machine/view/machine-view.ts';
import type { ThreadNote } from '../inferior.ts';

const hex = (n: bigint | number): string => `0x${n.toString(16)}`;

/**
 * The memory map document ("Debugging with GDB", "Memory Map Format"). gdb refuses what is not in it, so the virtual view states both halves of
 * the address space; what is mapped there differs per hart and shows when it is read.
 */
export function memoryMapXml(view: MachineView, physical: boolean): string {
  const half = 1n << 63n;
  const regions: (readonly [bigint | number, bigint | number])[] = physical
    ? [
        ...Object.values(MEMORY_MAP).map((r) => [r.base, r.size] as const),
        [virtioRegion(0).base, virtioRegion(0).size * VIRTIO_SLOTS],
        [view.ram.base, view.ram.size],
      ]
    : [
        [0n, half],
        [half, half - 1n],
      ];
  return `<?xml version="1.0"?>
<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" "http://sourceware.org/gdb/gdb-memory-map.dtd">
<memory-map>
${regions.map(([start, size]) => `  <memory type="ram" start="${hex(start)}" length="${hex(size)}"/>`).join('\n')}
</memory-map>
`;
}

/** Text in an attribute or between tags. */
export const escapeText = (text: string): string => text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** The thread list document ("Debugging with GDB", "Thread List Format"). */
export function threadsXml(threads: readonly ThreadNote[]): string {
  const lines = threads.map(({ id, core, name, note }) => {
    const on = core === undefined ? '' : ` core="${core}"`;
    return `  <thread id="${id.toString(16)}"${on} name="${escapeText(name)}">${escapeText(note)}</thread>`;
  });
  return `<?xml version="1.0"?>\n<threads>\n${lines.join('\n')}\n</threads>\n`;
}

/** A table of the operating system ("Debugging with GDB", "Operating System Information"). */
export function osDataXml(type: string, rows: readonly Readonly<Record<string, string>>[]): string {
  const items = rows.map((row) => {
    const columns = Object.entries(row).map(([name, text]) => `<column name="${name}">${escapeText(text)}</column>`);
    return `  <item>${columns.join('')}</item>`;
  });
  return `<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "osdata.dtd">\n<osdata type="${type}">\n${items.join('\n')}\n</osdata>\n`;
}
