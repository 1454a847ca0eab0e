import { Message } from '../history/protobuf.ts';
import type { ProfileStack } from './profile.ts';

/** Field numbers of pprof's profile.proto (https://github.com/google/pprof/blob/main/proto/profile.proto). */
const PROFILE = { sampleType: 1, sample: 2, location: 4, function: 5, strings: 6, periodType: 11, period: 12 } as const;
const VALUE_TYPE = { type: 1, unit: 2 } as const;
const SAMPLE = { location: 1, value: 2, label: 3 } as const;
const LABEL = { key: 1, text: 2, number: 3 } as const;
const LOCATION = { id: 1, line: 4 } as const;
const LINE = { function: 1 } as const;
const FUNCTION = { id: 1, name: 2, systemName: 3 } as const;

/** Stacks as a file for pprof, labelled with their process. @param every instructions that a sample stands for */
export function pprofFile(stacks: readonly ProfileStack[], every: number): Uint8Array {
  const strings = new Map<string, number>([['', 0]]);
  const text = (value: string): number => {
    const index = strings.get(value) ?? strings.size;
    strings.set(value, index);
    return index;
  };
  const functions = new Map<string, number>();
  const idOf = (frame: string): number => {
    const id = functions.get(frame) ?? functions.size + 1;
    functions.set(frame, id);
    return id;
  };
  const instructions = (): Message =>
    new Message().integer(VALUE_TYPE.type, text('instructions')).integer(VALUE_TYPE.unit, text('count'));
  const out = new Message().message(PROFILE.sampleType, instructions());
  for (const { pid, comm, frames, samples } of stacks) {
    const sample = new Message();
    // The innermost first.
    for (const frame of [...frames].reverse()) sample.integer(SAMPLE.location, idOf(frame));
    sample.integer(SAMPLE.value, samples * every);
    sample.message(SAMPLE.label, new Message().integer(LABEL.key, text('process')).integer(LABEL.text, text(comm)));
    sample.message(SAMPLE.label, new Message().integer(LABEL.key, text('pid')).integer(LABEL.number, pid));
    out.message(PROFILE.sample, sample);
  }
  for (const id of functions.values()) {
    const line = new Message().integer(LINE.function, id);
    out.message(PROFILE.location, new Message().integer(LOCATION.id, id).message(LOCATION.line, line));
  }
  for (const [frame, id] of functions) {
    const name = text(frame);
    const made = new Message().integer(FUNCTION.id, id).integer(FUNCTION.name, name).integer(FUNCTION.systemName, name);
    out.message(PROFILE.function, made);
  }
  out.message(PROFILE.periodType, instructions()).integer(PROFILE.period, every);
  for (const value of strings.keys()) out.text(PROFILE.strings, value);
  return Uint8Array.from(out.bytes);
}
