import { readVirtual } from '../../machine/view/virtual-memory.ts';
import { BEGIN, beginCells, type HistoryTable, type Moment, missing, momentOf, WHO } from '../table.ts';
import type { Who } from '../tracer.ts';

const LONGEST = 65_536;

/** A line that has not ended. */
interface Begun {
  readonly begin: Moment;
  readonly who: Who;
  text: string;
}

/** Lines that processes wrote to terminals. */
export const consoleLines: HistoryTable = {
  name: 'console',
  about: 'lines that processes wrote to terminals',
  columns: [
    ...BEGIN,
    ...WHO,
    { name: 'tty', type: 'text', about: 'the terminal' },
    { name: 'line', type: 'text', about: 'the text without its end' },
  ],
  fromBeginning: false,
  watch(tracer, emit, { pid }) {
    const { kernel, view } = tracer;
    /** By terminal. Who began a line has printed it. */
    const open = new Map<string, Begun>();
    const decoders = new Map<string, TextDecoder>();
    const end = (tty: string, { begin, who, text }: Begun): void => {
      open.delete(tty);
      if (pid === undefined || who.pid === pid)
        emit([...beginCells(begin), who.pid, who.tid, who.comm, tty, text.replace(/\r$/, '')]);
    };
    const known = tracer.on('n_tty_write', (hart) => {
      const { offset, size } = kernel.field('tty_struct', 'name');
      const tty = kernel.text(tracer.argument(hart, 0) + BigInt(offset), size);
      const length = Math.min(Number(tracer.argument(hart, 3)), LONGEST);
      const bytes = readVirtual(view, hart, tracer.argument(hart, 2), length);
      // What the terminal does not take is offered again.
      const begin = momentOf(tracer);
      const who = tracer.who(hart);
      tracer.returned(hart, (after) => {
        const taken = Number(BigInt.asIntN(64, tracer.argument(after, 0)));
        if (taken <= 0) return;
        let decoder = decoders.get(tty);
        if (decoder === undefined) decoders.set(tty, (decoder = new TextDecoder()));
        const parts = decoder.decode(bytes.subarray(0, taken), { stream: true }).split('\n');
        for (const [i, part] of parts.entries()) {
          const line = open.get(tty) ?? { begin, who, text: '' };
          line.text += part;
          if (i < parts.length - 1) end(tty, line);
          else if (line.text !== '') open.set(tty, line);
        }
      });
    });
    if (!known) throw missing('console', 'n_tty_write');
    return () => {
      for (const [tty, line] of open) end(tty, line);
    };
  },
};
