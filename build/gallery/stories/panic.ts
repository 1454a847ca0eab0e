import { recordShell, type Story } from '../story.ts';

/** A kernel panic, backwards to the key that asked for it. */
export const panic: Story = {
  name: 'a-kernel-panic-backwards',
  record: () => recordShell({}, ['echo all is well', ['echo c > /proc/sysrq-trigger', /end Kernel panic/]]),
  async tell(past) {
    past.note('5. The last that the console said. Read the marks from here backwards.');
    await past.backTo(past.symbol('panic'));
    past.note('4. panic() is called: see the call stack.');
    await past.backTo(past.symbol('sysrq_handle_crash'));
    past.note('3. Its caller: the handler of the key "crash the system".');
    await past.backTo(past.symbol('write_sysrq_trigger'));
    past.note('2. A process wrote to /proc/sysrq-trigger: the pane of processes says which.');
    await past.timeline.previousInput();
    past.note('1. What was typed.');
  },
};
