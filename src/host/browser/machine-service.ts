import { proxy } from 'comlink';
import { SessionStateError } from '../../machine/session/errors.ts';
import type { Machine } from '../../machine/session/machine.ts';
import type { RecordSink } from '../../record/format.ts';
import { LivePast } from '../../timeline/live.ts';
import { createHostRoom } from '../room.ts';
import { fileSink, MemorySink } from './page-files.ts';
import type { MachineService, WorkerRunOptions } from './service.ts';
import { timelineService } from './timeline-service.ts';

/** Where a recording goes. */
export function sinkOf(record: NonNullable<WorkerRunOptions['record']>): RecordSink | Promise<RecordSink> {
  return record === 'memory' ? new MemorySink() : fileSink(record);
}

/** A machine for the page. @param past bytes of memory for its past, 0 for none @param sink where its recording goes */
export function machineService(machine: Machine, past: number, sink: RecordSink | undefined): MachineService {
  const live = past > 0 ? new LivePast(machine, createHostRoom(), { budget: past }) : undefined;
  const kept = (): LivePast => {
    if (live === undefined)
      throw new SessionStateError("the machine keeps no past: create it with the option 'past', in bytes of memory");
    return live;
  };
  // Listeners and answers have ports of their own, with no order between them: an answer waits until what came before it was heard.
  let heard: unknown;
  const afterEvents = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } finally {
      await heard;
    }
  };
  return {
    ports: machine.ports,
    on(kind, listener) {
      const tell = (value: Parameters<typeof listener>[0]): void => {
        heard = listener(value);
      };
      return proxy(machine.on(kind, tell));
    },
    run: (until) => afterEvents(machine.run(until)),
    pause: () => afterEvents(machine.pause()),
    expect: (pattern, timeout) => afterEvents(machine.expect(pattern, timeout === undefined ? {} : { timeout })),
    write: (data) => machine.write(data),
    send: (port, bytes) => machine.send(port, bytes),
    control: (port, command, ...args) => machine.control(port, command, ...args),
    resize: (columns, rows) => machine.resize(columns, rows),
    balloon: (bytes) => machine.balloon(bytes),
    reset: () => machine.reset(),
    powerOff: () => machine.powerOff(),
    setCore: (kind) => machine.setCore(kind),
    progress: () => ({ instructions: machine.instant.instructions, guestTime: machine.guestTime }),
    hash: () => machine.hash(),
    save: () => machine.save(),
    restore: (state) => machine.restore(state),
    recording() {
      if (!(sink instanceof MemorySink))
        throw new SessionStateError("there is no recording in memory: create the machine with record: 'memory'");
      return sink.blob;
    },
    goBack() {
      kept().goBack();
      return proxy(timelineService(kept().timeline));
    },
    resume: () => kept().resume(),
    close: () => machine.close(),
  };
}
