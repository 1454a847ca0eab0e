import { disassemble } from '../isa/disassemble.ts';
import type { CodeRegion } from './region.ts';
import type { FunctionBody } from './wasm-module.ts';
import { wasmText } from './wasm-text.ts';

/**
 * A region for people: its guest code by blocks, then the function made of it. @param base virtual address of its base
 * @param word the 32 bits at an offset from the base
 */
export function dumpRegion(region: CodeRegion, body: FunctionBody, base: bigint, word: (at: number) => number): string {
  const lines = [
    `${body.name}: ${region.blocks.length} blocks, ${region.pages.length} pages, ${body.code.length} bytes of code`,
  ];
  for (const block of region.blocks) {
    const entry = region.entries.indexOf(block.index);
    lines.push(`block ${block.index}${entry >= 0 ? ` (entry ${entry})` : ''}`);
    for (const { at } of block.code) {
      const pc = BigInt.asUintN(64, base + BigInt(at));
      lines.push(`  ${pc.toString(16)}  ${disassemble(word(at), pc).text}`);
    }
    const e = block.ending;
    const target = (to: number, index: number): string =>
      index >= 0 ? `block ${index}` : `${BigInt.asUintN(64, base + BigInt(to)).toString(16)}, outside`;
    if (e.kind === 'branch')
      lines.push(`  taken: ${target(e.taken.to, e.taken.block)}; else: ${target(e.next.to, e.next.block)}`);
    if (e.kind === 'next') lines.push(`  next: ${target(e.next.to, e.next.block)}`);
    if (e.kind === 'jump') lines.push(`  to: ${target(e.taken.to, e.taken.block)}`);
    if (e.kind === 'leave') lines.push(`  left to the interpreter at ${target(e.at, -1)}`);
  }
  return [...lines, ...wasmText(body.code), ''].join('\n');
}
