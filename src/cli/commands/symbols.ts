import { openKeptCheckpoints } from '../../host/node/checkpoint-file.ts';
import { replaceFile } from '../../host/node/replace-file.ts';
import { LinuxKernel } from '../../linux/kernel.ts';
import { kernelElf } from '../../linux/kernel-elf.ts';
import { modules } from '../../linux/modules.ts';
import { formatInstant } from '../../record/divergence.ts';
import { CliError, EXIT, UsageError } from '../exit.ts';
import { explained, interruptSignal, openRecording, parsePlace, type RecordingFlags } from '../recordings.ts';

/** Flags of `hindsight symbols`. */
export interface SymbolsFlags extends RecordingFlags {
  readonly kernel?: boolean;
  readonly quiet?: boolean;
  readonly output?: string;
}

/** `hindsight symbols --kernel REC[@T] -o FILE`: the guest's kernel as an ELF file for debuggers. */
export async function symbols(place: string, flags: SymbolsFlags): Promise<number> {
  const { output } = flags;
  if (flags.kernel !== true) throw new UsageError('hindsight symbols: expected --kernel, whose symbols are written');
  if (output === undefined) throw new UsageError('hindsight symbols: expected -o FILE, where to write them');
  const { file, at } = parsePlace(place);
  const { timeline } = await openRecording(file, flags);
  await openKeptCheckpoints(timeline, file);
  const { reason } = await explained(timeline, timeline.seek(at ?? timeline.end, { signal: interruptSignal() }));
  if (reason === 'interrupted') return EXIT.INTERRUPT;
  const kernel = LinuxKernel.find(timeline.view);
  if (kernel === undefined)
    throw new CliError(
      `${file}: no Linux kernel with kallsyms and BTF is in memory at ${formatInstant(timeline.at)}: name another instant, ${file}@50%`,
    );
  const bytes = kernelElf(kernel);
  try {
    await replaceFile(output, bytes);
  } catch (error) {
    throw new CliError(`${output}: cannot be written: ${(error as Error).message}`);
  }
  if (flags.quiet !== true)
    process.stderr.write(
      `hindsight: ${output}: ${kernel.symbols.size} symbols, ${kernel.btf.count} types, ${modules(kernel).length} modules; gdb-multiarch ${output}\n`,
    );
  return EXIT.OK;
}
