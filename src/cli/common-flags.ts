import type { Command } from 'commander';

/** Takes a flag that may be repeated. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Flags that every machine made from scratch knows. */
export function machineFlags(command: Command): Command {
  return command
    .option('--mem <size>', 'RAM of the machine; 256M unless given')
    .option('--harts <n>', 'number of harts, 1 to 8; 1 unless given')
    .option('--core <core>', 'jit, wasm or ts: speed differs, results never')
    .option('--isa <isa>', 'the instruction set, such as rv64gc; all extensions unless given')
    .option('--kernel <file>', "a Linux Image or ELF program instead of the guest's kernel; none: firmware alone")
    .option('--initrd <file>', "an initramfs instead of the guest's")
    .option('--append <words>', "words to add to the kernel's command line")
    .option('--firmware <file>', 'M-mode firmware such as OpenSBI fw_dynamic.bin; otherwise SBI is built in')
    .option(
      '--disk <file>',
      'a raw or qcow2 disk image, the http(s) address of a raw one, or debian or full for a built root disk (debian+git,fio: with these packages too); FILE,overlay=NAME keeps what is written to it, with ,write=back by way of a journal; may be repeated',
      collect,
    )
    .option(
      '--disk-cache <size[:policy]>',
      'memory for what is read of a disk on a server: 64M by s3fifo unless given; also lru, 2q, arc',
    )
    .option('--root <device>', 'work on this disk, such as /dev/vda; the built root disk is worked on by itself')
    .option('--balloon [size]', 'a memory balloon: memory the guest frees is dropped, and so much is taken from it')
    .option('--seed <n>', "seed of the harts' rotation and of the kernel's random numbers")
    .option('--chaos <seed>', 'vary the rotation of harts, to make races show');
}

/** Folders that answer for a live machine's shares. */
export function shareFlags(command: Command, what: string): Command {
  return command.option('--share <dir[:name][:9p][:ro]>', what, collect);
}

/** What a live machine's network device is wired to. */
export function netFlags(command: Command): Command {
  return command
    .option('--net <wire>', 'user: the network of this host; switch:NAME: one with other machines; none is the default')
    .option('--publish <port>', "with --net user: [ADDRESS:]PORT:PORT[/udp], the host's and the guest's", collect)
    .option(
      '--allow <place>',
      'with --net user: reach only this address, block, name or *.name; may be repeated',
      collect,
    )
    .option('--allow-host', 'with --net user: reach this host too, at 10.0.2.2 or host.hindsight');
}

/** Flags that say what is kept of a machine that runs. */
export function recorderFlags(command: Command, what: string): Command {
  return command
    .option('--record <file>', what)
    .option('--embed', 'put kernel, initrd, firmware and disks into the recording: it replays anywhere')
    .option('--checkpoints', 'put checkpoints into the recording: it opens anywhere at once')
    .option('--past <size>', 'memory for going back while the machine runs (Ctrl-A [); 0 for none', '256M');
}

/** `--quiet`. */
export const quiet = (command: Command): Command =>
  command.option('-q, --quiet', 'nothing on standard error but errors');

/** `--json`. @param what it does */
export const json = (command: Command, what: string): Command => command.option('--json', what);

/** Flags of commands that open a recording. */
export const opens = (command: Command): Command =>
  command
    .option('--image <dir>', 'look here too for the files the machine was made from; may be repeated', collect)
    .option('--core <core>', 'jit, wasm or ts: speed differs, results never');
