import type { Command } from 'commander';
import type { DebugFlags } from './commands/debug.ts';
import type { SymbolsFlags } from './commands/symbols.ts';
import { collect, machineFlags, opens, quiet, recorderFlags } from './common-flags.ts';

/** The commands for debuggers. @param finish takes the exit status */
export function addDebugCommands(program: Command, finish: (status: number) => void): void {
  recorderFlags(
    quiet(
      machineFlags(
        program
          .command('debug')
          .description('Open a recording, or a live machine, in gdb or a DAP client, forwards and backwards')
          .argument('[recording]', 'a file that run --record kept'),
      ),
    ),
    'keep a recording in this file: of the branch made while debugging, or of the live machine',
  )
    .option('--image <dir>', 'look here too for the files the machine was made from; may be repeated', collect)
    .option('--live', 'no recording: boot a machine, which runs while no debugger holds it')
    .option('--wait', 'with --live: do not start before a debugger says so')
    .option('--exec <command>', "with --live: run this in the guest's shell")
    .option('--gdb <listen>', 'listen for gdb at [HOST:]PORT; loopback unless a host is named')
    .option('--dap [listen]', 'speak the Debug Adapter Protocol on standard input and output, or at [HOST:]PORT')
    .option(
      '--symbols <file>',
      'read symbols of this ELF file, or debug information of any program from this folder (.build-id/xx/yyy.debug); may be repeated',
      collect,
    )
    .option('--process <which>', 'gdb debugs only this process of the guest, by number or name')
    .option(
      '--print-gdbinit',
      'print a script for gdb (seek, crash, branch) and end: gdb -x <(hindsight debug --print-gdbinit)',
    )
    .option('--auto-branch', "a debugger's writes to the past start a branch; otherwise they are refused")
    .action(async (file: string | undefined, flags: DebugFlags) =>
      finish(await (await import('./commands/debug.ts')).debug(file, flags)),
    );

  quiet(
    opens(
      program
        .command('symbols')
        .description("Write the guest's kernel as an ELF file for gdb: symbols, types, functions' prototypes, modules")
        .argument('<recording>', 'a file that run --record kept: as it is at its end, or RECORDING@INSTANT'),
    ),
  )
    .option('--kernel', "the kernel's, from its own kallsyms and BTF")
    .option('-o, --output <file>', 'where to write them, such as vmlinux.elf')
    .action(async (place: string, flags: SymbolsFlags) =>
      finish(await (await import('./commands/symbols.ts')).symbols(place, flags)),
    );
}
