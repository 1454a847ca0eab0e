import { EVENT } from '../../../src/record/door.ts';
import { compile, type Program } from '../program.ts';
import { recordShell, type Story } from '../story.ts';

const PRICES = '1999 501 1O00';

let program: Program | undefined;
const bill = (): Program => (program ??= compile('bill'));

/** A wrong result, back to the key that was typed. */
export const wrongInput: Story = {
  name: 'a-wrong-total-and-the-key-that-was-typed',
  record: () => recordShell({ '/root/bill': bill().bytes }, [['./bill', /prices in cents: $/], PRICES]),
  async tell(past) {
    const { timeline, guest } = past;
    await past.backTo(past.symbol('do_exit'));
    const { tgid } = guest.current(timeline.view.activeHart())!;
    past.note(`4. The total is wrong: 3500 was expected for ${PRICES.replace('O', '0')}. Why?`);
    await past.backToWrite(bill().symbol('total'), 8, tgid);
    past.note('3. The last number that was added: what came after a character that is no digit.');
    const letter = bill().symbol('line') + BigInt(PRICES.indexOf('O'));
    await past.backToWrite(letter, 1, tgid);
    past.note('2. The kernel copies the line into the program: here the letter O comes in, where a 0 was meant.');
    const before = timeline.at.instructions;
    const typed = timeline.events.findLastIndex(
      ({ at, kind, payload }) =>
        at.instructions <= before && kind === EVENT.INPUT && Buffer.from(payload).includes('1O00'),
    );
    if (typed < 0) throw new Error('the story has no such input');
    await timeline.seek({ event: typed });
    past.note('1. The keys that came in, one O among them.');
  },
};
