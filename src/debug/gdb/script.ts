/** Commands for gdb that go with ours: after each gdb looks at registers, frames, threads and memory again (it keeps what it read of stacks and code). */
export const GDB_SCRIPT = `# Hindsight: seek INSTANT, crash, branch. Source it before or after "target remote".
define hindsight-refresh
  maintenance flush dcache
  maintenance flush register-cache
  maintenance flush symbol-cache
  info threads
  frame
end
define seek
  if $argc == 1
    monitor seek $arg0
  else
    monitor seek $arg0 $arg1
  end
  hindsight-refresh
end
document seek
seek INSTANT: go to a number of instructions, 50%, begin, end, event N, +N, -N.
end
define crash
  monitor crash
  hindsight-refresh
end
document crash
Go back to the last fault, oops or panic before now.
end
define branch
  monitor branch
  hindsight-refresh
end
document branch
Go on from here as a live machine that may be written to.
end
`;
