import { readElf } from '../../symbols/elf.ts';
import { guestOfTask } from '../process-symbols.ts';
import { SymbolFile } from '../symbol-file.ts';
import { DebugError } from '../target.ts';
import type { CommandScene, MonitorCommand } from './monitor.ts';
import { taskOf } from './processes.ts';

const baseName = (path: string): string => path.replace(/^.*\//, '').replace(/\.debug$/, '');

/** Adds a file's symbols where a process has the same build, or a file of the same name, loaded. */
async function addSymbols(scene: CommandScene, [path, pid]: readonly string[]): Promise<string> {
  const { monitor, guestInfo, settings } = scene;
  if (path === undefined)
    throw new DebugError('which file? give an ELF file on the computer that hindsight debug runs on');
  if (monitor.readFile === undefined) throw new DebugError('this server reads no files');
  const elf = readElf(await monitor.readFile(path), path);
  if (elf.base !== 0n) {
    guestInfo.addFile(new SymbolFile(elf, path));
    return `${path}: ${elf.symbols.length} symbols at the addresses it was linked to\n`;
  }
  if (pid === undefined && settings.attached === undefined)
    throw new DebugError(`${path} is position-independent: name the process that has it loaded, add-symbols FILE PID`);
  const task = taskOf(scene, pid);
  const loaded = (await guestOfTask(guestInfo, task)).loadedFiles;
  const same =
    loaded.find(({ buildId }) => buildId !== undefined && buildId === elf.buildId) ??
    loaded.find(({ name }) => baseName(name) === baseName(path));
  if (same === undefined)
    throw new DebugError(
      `process ${task.tgid} has neither this build (${elf.buildId ?? 'it has no build-id'}) nor a file called ${baseName(path)} loaded: monitor maps ${task.tgid} lists its files`,
    );
  if (elf.buildId !== undefined && same.buildId !== undefined && same.buildId !== elf.buildId)
    throw new DebugError(`${path} is another build (${elf.buildId}) than the guest's ${same.name} (${same.buildId})`);
  guestInfo.addFile(new SymbolFile(elf, path, { loadedAt: same.start, isProgram: same.isProgram }));
  const bias = same.start.toString(16);
  return `${path}: ${elf.symbols.length} symbols for ${same.name} at 0x${bias} (gdb: add-symbol-file ${path} -o 0x${bias})\n`;
}

export const ADD_SYMBOLS: MonitorCommand = {
  name: 'add-symbols',
  usage: 'FILE [PID]',
  help: 'symbols of a file here, where a process has it loaded',
  run: addSymbols,
};
