import { userRegisters } from '../../../src/linux/threads.ts';
import { PC } from '../../../src/machine/view/machine-view.ts';
import { compile, type Program } from '../program.ts';
import { recordShell, type Story } from '../story.ts';

/** Bytes of an entry, and where in it the pointer lies; see programs/phone-book.c. */
const [ENTRY, NEXT] = [24n, 16n];

let program: Program | undefined;
const phoneBook = (): Program => (program ??= compile('phone-book'));

/** A crash, back to the store that caused it. */
export const crash: Story = {
  name: 'a-crash-and-the-store-that-caused-it',
  record: () => recordShell({ '/root/phone-book': phoneBook().bytes }, ['./phone-book']),
  async tell(past) {
    const { guest, timeline } = past;
    await past.backTo(past.symbol('force_sig_fault'));
    past.note('4. The kernel ends the program: segmentation fault. Read the marks from here backwards.');
    const task = guest.current(timeline.view.activeHart())!;
    const pc = userRegisters(guest.kernel()!, task)(PC)!;
    await past.backTo(pc);
    past.note('3. list() follows a pointer that is text: "urray Hop". Who wrote it?');
    const next = phoneBook().symbol('entries') + ENTRY + NEXT;
    await past.backToWrite(next, 8, task.tgid);
    past.note('2. The guilty store: copy_name() writes the end of "Grace Brewster Murray Hopper" over the pointer.');
    await past.backToWrite(next, 1, task.tgid);
    await past.backToWrite(next, 8, task.tgid);
    past.note('1. What the pointer was: add() linked the entry to the next one.');
  },
};
