import type { GdbClient } from './client.ts';
import { librariesXml } from './libraries.ts';
import { osTable } from './os-tables.ts';
import { targetXml } from './registers.ts';
import { memoryMapXml, threadsXml } from './xml.ts';

/** An object that `qXfer` reads ("Debugging with GDB", "General Query Packets"); undefined when there is none. */
export function readDocument(object: string, annex: string, client: GdbClient): Uint8Array | undefined {
  if (object === 'auxv') return client.settings.attached?.auxiliaryVector();
  const text = textDocument(object, annex, client);
  return text === undefined ? undefined : new TextEncoder().encode(text);
}

function textDocument(object: string, annex: string, client: GdbClient): string | undefined {
  const { attached } = client.settings;
  switch (object) {
    case 'features':
      return annex === 'target.xml' ? targetXml() : undefined;
    case 'memory-map':
      return annex === '' ? memoryMapXml(client.target, client.physical) : undefined;
    case 'threads':
      return annex === '' ? threadsXml(client.inferior.threads()) : undefined;
    case 'exec-file':
      return attached?.path;
    case 'libraries-svr4':
      return attached && librariesXml(attached);
    case 'osdata':
      return osTable(annex, client.options.monitor.guestInfo);
    default:
      return undefined;
  }
}
