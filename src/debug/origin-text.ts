import { formatInstant } from '../record/divergence.ts';
import type { AccessOrigin } from './origin.ts';

const SHOWN = 16;

/** Bytes as hexadecimal; eight or fewer also as the little-endian number they are. */
function bytesText(bytes: Uint8Array): string {
  const hex = [...bytes.subarray(0, SHOWN)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  if (bytes.length > SHOWN) return `${hex} …`;
  return [1, 2, 4, 8].includes(bytes.length) ? `0x${numberOf(bytes).toString(16)}` : hex;
}

const numberOf = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** An answer for people: instant and process, the instruction, what changed, the callers. Lines end in \n. */
export function originText(origin: AccessOrigin): string {
  const { at, time, hart, device, process, place, instruction, before, after, stack } = origin;
  const who = process === undefined ? '' : `, ${process.comm} (${process.pid})`;
  const lines = [
    `instant ${formatInstant(at)}, ${(time / 1e9).toFixed(6)} s, hart ${hart}${who}`,
    device === undefined ? `  ${place}  ${instruction}` : `  written by ${device}, while the hart was at ${place}`,
    `  ${bytesText(before)} → ${bytesText(after)}`,
  ];
  if (device === undefined) lines.push(...stack.slice(1).map((frame, i) => `  #${i + 1} ${frame}`));
  return `${lines.join('\n')}\n`;
}

/** An answer for programs. */
export function originJson(origin: AccessOrigin): object {
  const { at, time, hart, device, process, pc, place, instruction, before, after, stack } = origin;
  const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return {
    instant: formatInstant(at),
    time: time / 1e9,
    hart,
    ...(device !== undefined && { device }),
    ...process,
    pc: `0x${pc.toString(16)}`,
    place,
    instruction,
    before: hex(before),
    after: hex(after),
    stack,
  };
}
