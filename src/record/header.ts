import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { hexBytes, toHex } from '../bytes/hex.ts';
import type { MachineConfig } from '../machine/board/config.ts';
import { type NotedInstant, RecordingError, type RecordingHeader } from './format.ts';

const DIGEST = /^[0-9a-f]{64}$/;
const SHORT_DIGEST = /^=[A-Za-z0-9+/]{43}$/;

/** JSON, with the extensions as words and 32-byte values in base64 after a `=`: the header is most of a short recording. */
export function packHeader(header: RecordingHeader): Uint8Array {
  const shorter = (_key: string, value: unknown): unknown =>
    typeof value === 'string' && DIGEST.test(value) ? `=${toBase64(hexBytes(value)).slice(0, 43)}` : value;
  return new TextEncoder().encode(
    JSON.stringify({ ...header, config: { ...header.config, isa: header.config.isa.join(' ') } }, shorter),
  );
}

/** Versions of the format that can be read. */
const READABLE = [2, 3];

/** @throws RecordingError naming the field that is not what it should be, or the version that is not known */
export function readHeader(body: Uint8Array): RecordingHeader {
  const longer = (_key: string, value: unknown): unknown =>
    typeof value === 'string' && SHORT_DIGEST.test(value) ? toHex(fromBase64(value.slice(1))!) : value;
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body), longer);
  } catch (error) {
    throw new RecordingError(`the recording's header is no JSON: ${(error as Error).message}`);
  }
  const header = object(json, 'the header');
  const format = integer(header.format, 'format');
  if (!READABLE.includes(format)) {
    throw new RecordingError(
      `the recording has format version ${format}; this program reads versions ${READABLE.join(' and ')}: use a newer release`,
    );
  }
  integer(header.machine, 'machine');
  matching(header.id, 'id', /^[0-9a-f]{16}$/, '16 hexadecimal digits');
  list(header.ports, 'ports', text);
  if (header.parent !== undefined) {
    const { id, at } = object(header.parent, 'parent');
    text(id, 'parent.id');
    instant(at, 'parent.at');
  }
  if (header.marks !== undefined) checkMarks(header.marks);
  if (header.start !== undefined) {
    imageName(header.start, 'start');
    const { at, time } = object(header.start, 'start');
    instant(at, 'start.at');
    integer(time, 'start.time');
  }
  const config = object(header.config, 'config');
  checkConfigFields(config);
  const isa = (config.isa as string).split(' ').filter((word) => word !== '');
  return { ...header, config: { ...config, isa } } as unknown as RecordingHeader;
}

/** The marks of a chunk of marks. @throws RecordingError naming the field that is not what it should be */
export function readMarks(body: Uint8Array): readonly NotedInstant[] {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw new RecordingError(`the recording's marks are no JSON: ${(error as Error).message}`);
  }
  checkMarks(json);
  return json as readonly NotedInstant[];
}

function checkMarks(value: unknown): void {
  list(value, 'marks', (mark, field) => {
    const { at, time, note } = object(mark, field);
    instant(at, `${field}.at`);
    integer(time, `${field}.time`);
    text(note, `${field}.note`);
  });
}

/** The shape of a configuration; whether such a machine can be built is decided where it is built. */
function checkConfigFields(config: Record<keyof MachineConfig | string, unknown>): void {
  integer(config.memory, 'config.memory');
  integer(config.harts, 'config.harts');
  text(config.isa, 'config.isa');
  matching(config.mmu, 'config.mmu', /^sv(39|48|57)$/, 'sv39, sv48 or sv57');
  for (const role of ['kernel', 'initrd', 'firmware']) {
    if (config[role] !== undefined) imageName(config[role], `config.${role}`);
  }
  text(config.append, 'config.append');
  const { seed, quantum, chaos } = object(config.rotation, 'config.rotation');
  integer(seed, 'config.rotation.seed');
  integer(quantum, 'config.rotation.quantum');
  if (typeof chaos !== 'boolean') throw wrong('config.rotation.chaos', 'true or false', chaos);
  matching(config.rngSeed, 'config.rngSeed', /^([0-9a-f]{2})*$/, 'hexadecimal digits');
  list(config.slots, 'config.slots', (value, field) => {
    const slot = object(value, field);
    text(slot.kind, `${field}.kind`);
    if (slot.base !== undefined) imageName(slot.base, `${field}.base`);
  });
  if (config.pci !== undefined)
    list(config.pci, 'config.pci', (value, field) => text(object(value, field).kind, `${field}.kind`));
}

function instant(value: unknown, field: string): void {
  const { instructions, sequence } = object(value, field);
  integer(instructions, `${field}.instructions`);
  integer(sequence, `${field}.sequence`);
}

function imageName(value: unknown, field: string): void {
  const { file, size, hash } = object(value, field);
  text(file, `${field}.file`);
  integer(size, `${field}.size`);
  text(hash, `${field}.hash`);
}

function wrong(field: string, expected: string, found: unknown): RecordingError {
  const shown = found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 60);
  return new RecordingError(
    field === 'the header'
      ? `the recording's header is ${shown}, expected ${expected}`
      : `the recording's header has ${shown} as ${field}, expected ${expected}`,
  );
}

function object(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field, 'an object', value);
  return value as Record<string, unknown>;
}

function integer(value: unknown, field: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(field, 'a non-negative integer', value);
  return value as number;
}

function text(value: unknown, field: string): void {
  if (typeof value !== 'string') throw wrong(field, 'text', value);
}

function matching(value: unknown, field: string, pattern: RegExp, expected: string): void {
  if (typeof value !== 'string' || !pattern.test(value)) throw wrong(field, expected, value);
}

function list(value: unknown, field: string, check: (item: unknown, field: string) => void): void {
  if (!Array.isArray(value)) throw wrong(field, 'a list', value);
  value.forEach((item, i) => check(item, `${field}[${i}]`));
}
