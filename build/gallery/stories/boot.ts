import { recordShell, type Story } from '../story.ts';

/** Functions of Linux that begin a part of its start (init/main.c). */
const STEPS: readonly (readonly [string, string])[] = [
  ['start_kernel', 'The first function in C: everything before prepared for it.'],
  ['setup_arch', 'The device tree is read, and page tables for all of memory are made.'],
  ['mm_core_init', 'Memory can be allocated from here on.'],
  ['sched_init', 'The scheduler: from here on there can be more than one thread.'],
  ['time_init', 'Clocks and timers.'],
  ['rest_init', 'Process 1 and the thread that starts the kernel’s own threads are made.'],
  [
    'kernel_init_freeable',
    'Process 1 runs, still in the kernel; drivers and file systems start now, one initcall after another.',
  ],
  ['populate_rootfs', 'The initial file system is unpacked into memory.'],
  ['run_init_process', 'The kernel is up: /init is executed, the first program.'],
];

/** A boot, explained. */
export const boot: Story = {
  name: 'a-boot-explained',
  record: () => recordShell({}, ['uname -a'], { cold: true }),
  async tell(past) {
    const { timeline } = past;
    const places = STEPS.map(([name, note]) => [past.symbol(name), note] as const);
    await timeline.seek(timeline.begin);
    past.note('1. Power on: the hart is at the kernel’s first instruction; no memory is translated.');
    for (const [i, [address, note]] of places.entries()) {
      past.met(await timeline.continue({ execute: address }), STEPS[i][0]);
      past.note(`${i + 2}. ${STEPS[i][0]}: ${note}`);
    }
  },
};
