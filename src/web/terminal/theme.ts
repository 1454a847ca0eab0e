import type { ITerminalOptions, ITheme } from '@xterm/xterm';

/** Colours of the terminal: it stays dark on a light page, as programs expect it. */
const TERMINAL_THEME: ITheme = {
  background: '#0b0e13',
  foreground: '#e4e9f0',
  cursor: '#7fd1ff',
  cursorAccent: '#0b0e13',
  selectionBackground: '#2f5d86',
  black: '#3b4252',
  red: '#ff7b86',
  green: '#7ddc8e',
  yellow: '#f2c55c',
  blue: '#6fb3ff',
  magenta: '#d79bff',
  cyan: '#5fd7e3',
  white: '#d6dde8',
  brightBlack: '#8a96a8',
  brightRed: '#ffa0a8',
  brightGreen: '#a3eab0',
  brightYellow: '#ffdb85',
  brightBlue: '#9accff',
  brightMagenta: '#e6bfff',
  brightCyan: '#93e8f0',
  brightWhite: '#ffffff',
};

const TERMINAL_FONT = 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';

/** How the page's terminals look. */
export const TERMINAL_OPTIONS: ITerminalOptions = {
  fontFamily: TERMINAL_FONT,
  theme: TERMINAL_THEME,
  allowProposedApi: true,
  minimumContrastRatio: 4.5,
};

let cell: { readonly width: number; readonly height: number } | undefined;

/** Width and height of a character, as parts of the size of the terminals' font. */
export function cellSize(): { readonly width: number; readonly height: number } {
  if (cell !== undefined) return cell;
  const context = document.createElement('canvas').getContext('2d')!;
  const size = 100;
  context.font = `${size}px ${TERMINAL_FONT}`;
  const { width, fontBoundingBoxAscent, fontBoundingBoxDescent } = context.measureText('W');
  cell = { width: width / size, height: (fontBoundingBoxAscent + fontBoundingBoxDescent) / size };
  return cell;
}
