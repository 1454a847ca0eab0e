import { type Attachment, type AttachTargets, attach, commonArguments } from './attach.ts';
import { Compiler } from './compile.ts';
import type { ScriptState } from './compile-expression.ts';
import type { ProbeContext, ScriptEnvironment } from './environment.ts';
import { parseScript } from './parser.ts';
import { ScriptError } from './script-error.ts';
import type { ProbeBlock } from './syntax.ts';

/** One probe and what it does when it is met. */
export interface Action {
  readonly attachment: Attachment;
  readonly run: (context: ProbeContext) => void;
  /** What it was compiled from. */
  readonly block: ProbeBlock;
}

/**
 * Compiles a script against a kernel.
 * @param parameters what `$1`, `$2` … stand for @throws ScriptError saying where and what
 */
export function compileScript(
  script: string,
  parameters: readonly string[],
  targets: AttachTargets,
  environment: ScriptEnvironment,
  state: ScriptState,
): Action[] {
  const compiler = new Compiler(script, environment, state);
  return parseScript(script, parameters).flatMap((block) => {
    const attachments = block.points.flatMap((point) => {
      const found = attach(point, targets);
      if (typeof found === 'string') throw new ScriptError(found, script, point);
      return found;
    });
    const run = compiler.block(block, commonArguments(attachments));
    return attachments.map((attachment) => ({ attachment, run, block }));
  });
}
