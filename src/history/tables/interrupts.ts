import { irqName } from '../../machine/board/memory-map.ts';
import { BEGIN, beginCells, END, endCells, type HistoryTable, type Moment, missing, momentOf, WHO } from '../table.ts';

/** Interrupt codes of scause (privileged ISA, "Supervisor Cause Register"). */
const CODES: Readonly<Record<string, string>> = { 1: 'software', 5: 'timer', 9: 'external' };

/** Interrupts that harts took. */
export const interrupts: HistoryTable = {
  name: 'interrupts',
  about: 'interrupts that harts took, and what they interrupted',
  columns: [
    ...BEGIN,
    ...END,
    ...WHO,
    { name: 'hart', type: 'integer', about: 'the hart' },
    { name: 'kind', type: 'text', about: 'timer, software (from another hart) or external (from a device)' },
    { name: 'source', type: 'integer', about: "the device's number at the interrupt controller" },
    { name: 'device', type: 'text', about: 'the device' },
    { name: 'pc', type: 'text', about: 'what was interrupted, hexadecimal' },
  ],
  fromBeginning: false,
  watch(tracer, emit, { pid }) {
    const { kernel } = tracer;
    /** By hart: the interrupt that is handled. */
    const sources = new Map<number, number>();
    const known = tracer.on('do_irq', (hart) => {
      const registers = tracer.argument(hart, 0);
      const who = tracer.who(hart);
      const begin: Moment = momentOf(tracer);
      const code = kernel.get('pt_regs', registers, 'cause') & 0xffn;
      const pc = `0x${kernel.get('pt_regs', registers, 'epc').toString(16)}`;
      sources.delete(hart);
      tracer.returned(hart, () => {
        if (pid !== undefined && who.pid !== pid) return;
        const source = code === 9n ? (sources.get(hart) ?? null) : null;
        const device = source === null ? null : (irqName(source) ?? null);
        const end = endCells(begin, momentOf(tracer));
        const kind = CODES[String(code)] ?? `code ${code}`;
        emit([...beginCells(begin), ...end, who.pid, who.tid, who.comm, hart, kind, source, device, pc]);
      });
    });
    if (!known) throw missing('interrupts', 'do_irq');
    // The controller of the hart calls it first, with 9; then the PLIC, with the device's number.
    tracer.on('generic_handle_domain_irq', (hart) => sources.set(hart, Number(tracer.argument(hart, 1))));
    return () => {};
  },
};
