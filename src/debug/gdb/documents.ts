import { tasks } from '../../linux/tasks.ts';
import { hartOf } from '../../linux/threads.ts';
import type { GuestInfo } from '../guest-info.ts';
import type { Inferior } from '../inferior.ts';
import { Process } from '../process.ts';
import type { DebugTarget } from '../target.ts';
import { targetXml } from './registers.ts';
import { memoryMapXml, osDataXml, threadsXml } from './xml.ts';

/** What objects are read from. */
export interface DocumentScene {
  readonly target: DebugTarget;
  readonly inferior: Inferior;
  readonly guestInfo: GuestInfo;
  readonly physical: boolean;
}

/** An object that `qXfer` reads ("Debugging with GDB", "General Query Packets"); undefined when there is none. */
export function readDocument(object: string, annex: string, scene: DocumentScene): Uint8Array | undefined {
  const text = textDocument(object, annex, scene);
  if (text !== undefined) return new TextEncoder().encode(text);
  return object === 'auxv' && scene.inferior instanceof Process ? scene.inferior.auxiliaryVector() : undefined;
}

function textDocument(
  object: string,
  annex: string,
  { target, inferior, guestInfo, physical }: DocumentScene,
): string | undefined {
  switch (object) {
    case 'features':
      return annex === 'target.xml' ? targetXml() : undefined;
    case 'memory-map':
      return annex === '' ? memoryMapXml(target, physical) : undefined;
    case 'threads':
      return annex === '' ? threadsXml(inferior.threads()) : undefined;
    case 'exec-file':
      return inferior instanceof Process ? inferior.path : undefined;
    case 'osdata':
      return osData(annex, guestInfo);
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
