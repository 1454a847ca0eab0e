import { linkNamespaces } from '../../linux/link-map.ts';
import type { Process } from '../process.ts';
import { escapeText } from './xml.ts';

const hex = (n: bigint): string => `0x${n.toString(16)}`;

/** The libraries of a process at this instant ("Debugging with GDB", "Library List Format for SVR4 Targets"). */
export function librariesXml(process: Process): string {
  const thread = process.activeThread();
  const namespaces = linkNamespaces(process.auxiliaryVector(), (address, length) =>
    process.readMemory(thread, address, length),
  );
  const program = namespaces[0]?.objects[0];
  const main = program === undefined ? '' : ` main-lm="${hex(program.address)}"`;
  const lines = namespaces.flatMap(({ address, objects }) =>
    objects
      .filter((object) => object !== program)
      .map(
        ({ address: lm, bias, name, dynamic }) =>
          `  <library name="${escapeText(name)}" lm="${hex(lm)}" l_addr="${hex(bias)}" l_ld="${hex(dynamic)}" lmid="${hex(address)}"/>`,
      ),
  );
  return `<?xml version="1.0"?>\n<library-list-svr4 version="1.0"${main}>\n${lines.join('\n')}\n</library-list-svr4>\n`;
}
