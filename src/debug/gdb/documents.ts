import { tasks } from '../../linux/tasks.ts';
import { hartOf } from '../../linux/threads.ts';
import type { GuestInfo } from '../guest-info.ts';
import type { GdbClient } from './client.ts';
import { librariesXml } from './libraries.ts';
import { targetXml } from './registers.ts';
import { memoryMapXml, osDataXml, threadsXml } from './xml.ts';

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
      return osData(annex, client.options.monitor.guestInfo);
    default:
      return undefined;
  }
}

function osData(type: string, guestInfo: GuestInfo): string | undefined {
  const kernel = guestInfo.kernel();
  if (type === '')
    return osDataXml('types', [{ Type: 'processes', Description: 'Processes of the guest', Title: 'Processes' }]);
  if (!kernel || (type !== 'processes' && type !== 'threads')) return undefined;
  return osDataXml(
    type,
    tasks(kernel, type === 'threads').map((task) => ({
      pid: String(task.tgid),
      ...(type === 'threads' && { tid: String(task.pid) }),
      command: task.mm === 0n ? `[${task.name}]` : task.name,
      state: task.state,
      cores: String(hartOf(kernel, task.address) ?? ''),
    })),
  );
}
