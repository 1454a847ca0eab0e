import { stripped } from '../../symbols/dwarf/types.ts';
import { registersWith } from '../expression/registers.ts';
import type { GuestInfo } from '../guest-info.ts';
import { COMMANDS } from '../monitor/commands.ts';
import { DebugError } from '../target.ts';
import { childrenOf } from '../values/children.ts';
import type { Arguments } from './arguments.ts';
import type { FramePlace, Variables } from './variables.ts';

const MOST = 100;
/** What is before a member's name: names, indexes and members. */
const BEFORE_MEMBER = /([A-Za-z_$][\w$]*(?:(?:\.|->)[A-Za-z_]\w*|\[[^\]]*\])*)(?:\.|->)([A-Za-z_]\w*)?$/;

/** What a line of the debug console may go on with. */
export function completions(args: Arguments, variables: Variables, at: FramePlace, guestInfo: GuestInfo): object {
  const whole = args.text('text');
  const text = whole.slice(0, Math.max(0, args.number('column') - 1));
  const member = BEFORE_MEMBER.exec(text);
  if (member) return { targets: members(text, member[1], member[2] ?? '', variables, at) };
  const word = /[\w$:]*$/.exec(text)![0];
  const line = text.trimStart();
  const has = (name: string): boolean => name.startsWith(word) && name !== word;
  const commands = COMMANDS.map(({ name }) => name).filter((name) => name.startsWith(line) && name !== line);
  const locals = at.frame.localNames().filter(has);
  const globals = word === '' ? [] : guestInfo.files.flatMap((file) => file.debugInfo?.globalsWith(word, MOST) ?? []);
  const registers =
    word === '' ? [] : registersWith(word.replace(/^\$/, '')).map((n) => (word.startsWith('$') ? `$${n}` : n));
  const named = (labels: readonly string[], type: string, begun = word): object[] =>
    labels.map((label) => ({ label, type, start: text.length - begun.length + 1, length: begun.length }));
  const targets = [
    ...named([...new Set(locals)], 'variable'),
    ...named([...new Set(globals)].filter(has), 'reference'),
    ...named(registers.filter(has), 'value'),
    ...named(commands, 'function', line),
  ];
  return { targets: targets.slice(0, MOST) };
}

function members(text: string, whole: string, begun: string, variables: Variables, at: FramePlace): object[] {
  try {
    const value = variables.evaluated(whole, at);
    const type = stripped(value.referred.type);
    if (type.kind === 'array') return [];
    return childrenOf(value)
      .filter(({ name }) => name.startsWith(begun) && /^[A-Za-z_]/.test(name))
      .map(({ name }) => ({ label: name, type: 'field', start: text.length - begun.length + 1, length: begun.length }));
  } catch (e) {
    if (e instanceof DebugError) return [];
    throw e;
  }
}
