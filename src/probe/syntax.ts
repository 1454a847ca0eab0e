import type { Span } from './script-error.ts';

/** An expression as written. */
export type ScriptExpression = Span &
  (
    | { readonly kind: 'number'; readonly value: bigint }
    | { readonly kind: 'string'; readonly value: string }
    /** A builtin such as `pid`, or an enumerator of the kernel. */
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'variable'; readonly name: string }
    | { readonly kind: 'map'; readonly name: string; readonly key: readonly ScriptExpression[] }
    | { readonly kind: 'unary'; readonly operator: '!' | '~' | '-' | '*' | '&'; readonly operand: ScriptExpression }
    | {
        readonly kind: 'binary';
        readonly operator: BinaryOperator;
        readonly left: ScriptExpression;
        readonly right: ScriptExpression;
      }
    | {
        readonly kind: 'conditional';
        readonly test: ScriptExpression;
        readonly then: ScriptExpression;
        readonly otherwise: ScriptExpression;
      }
    | {
        readonly kind: 'call';
        readonly name: string;
        readonly args: readonly ScriptExpression[];
        readonly nameSpan: Span;
      }
    | {
        readonly kind: 'member';
        readonly object: ScriptExpression;
        readonly field: string;
        readonly arrow: boolean;
        readonly fieldSpan: Span;
      }
    | { readonly kind: 'index'; readonly object: ScriptExpression; readonly index: ScriptExpression }
    | { readonly kind: 'cast'; readonly type: TypeName; readonly operand: ScriptExpression }
    | { readonly kind: 'sizeof'; readonly type: TypeName }
    | { readonly kind: 'tuple'; readonly items: readonly ScriptExpression[] }
  );

export type BinaryOperator =
  | '||'
  | '&&'
  | '|'
  | '^'
  | '&'
  | '=='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | '<<'
  | '>>'
  | '+'
  | '-'
  | '*'
  | '/'
  | '%';

/** A type as written in a cast: `struct task_struct *`, `uint32`, `char[16]`. */
export interface TypeName extends Span {
  /** Without `struct`, `union` and `enum`. */
  readonly name: string;
  /** How many `*` follow. */
  readonly pointers: number;
}

export type ScriptStatement = Span &
  (
    | {
        readonly kind: 'assign';
        readonly target: Target;
        readonly operator: BinaryOperator | undefined;
        readonly value: ScriptExpression;
      }
    | { readonly kind: 'step'; readonly target: Target; readonly by: 1n | -1n }
    | { readonly kind: 'expression'; readonly expression: ScriptExpression }
    | {
        readonly kind: 'if';
        readonly test: ScriptExpression;
        readonly then: readonly ScriptStatement[];
        readonly otherwise: readonly ScriptStatement[];
      }
    | { readonly kind: 'while'; readonly test: ScriptExpression; readonly body: readonly ScriptStatement[] }
    | { readonly kind: 'unroll'; readonly count: ScriptExpression; readonly body: readonly ScriptStatement[] }
    | {
        readonly kind: 'for';
        readonly variable: string;
        readonly map: string;
        readonly body: readonly ScriptStatement[];
      }
    | { readonly kind: 'return' | 'break' | 'continue' }
  );

export type Target = Extract<ScriptExpression, { readonly kind: 'variable' | 'map' }>;

/** Where a probe is attached, as written: the parts between colons. */
export interface AttachPoint extends Span {
  readonly provider: string;
  readonly parts: readonly string[];
}

/** One action block with the points that run it. */
export interface ProbeBlock extends Span {
  readonly points: readonly AttachPoint[];
  readonly predicate: ScriptExpression | undefined;
  readonly body: readonly ScriptStatement[];
}
