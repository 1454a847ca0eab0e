import type { Palette } from './draw.ts';

const PROCESS_COLORS = 8;

/** The colours of a canvas, from the style of the page. */
export function readPalette(canvas: HTMLElement): Palette {
  // A custom property is text; only as a colour of something it is resolved.
  const probe = document.createElement('span');
  canvas.parentElement!.append(probe);
  const color = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const palette = {
    panel: color('panel'),
    text: color('text'),
    muted: color('muted'),
    line: color('line'),
    busy: color('lane-busy'),
    console: color('lane-console'),
    input: color('lane-input'),
    disk: color('lane-disk'),
    network: color('lane-network'),
    syscalls: color('lane-syscalls'),
    interrupts: color('lane-interrupts'),
    mark: color('mark'),
    playhead: color('playhead'),
    processText: color('process-text'),
    processes: Array.from({ length: PROCESS_COLORS }, (_, i) => color(`process-${i}`)),
  };
  probe.remove();
  return palette;
}
