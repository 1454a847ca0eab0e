import { WAIT_WORD } from '../../../guest/cmdline.ts';
import { READY_MARKER } from '../../../guest/init-script.ts';
import type { Machine } from '../../../machine/session/machine.ts';

/** Whether the machine's guest boots to where its /init waits for what it is to do. */
const waits = (machine: Machine): boolean => machine.config.append.split(' ').includes(WAIT_WORD);

/**
 * Tells the guest what it is to do after a restart, too. One that was booted to be snapshotted waits for that at every boot.
 * @param words what is typed then, see {@link ../../../guest/cmdline.ts} bootLines
 */
export function answerRestarts(machine: Machine, words: string): void {
  if (!waits(machine)) return;
  let heard: string | undefined;
  machine.on('reset', () => {
    heard = '';
  });
  machine.on('console', (bytes) => {
    if (heard === undefined) return;
    heard = (heard + Buffer.from(bytes).toString('latin1')).slice(-4096);
    if (!heard.includes(READY_MARKER)) return;
    heard = undefined;
    void machine.write(words);
  });
}
