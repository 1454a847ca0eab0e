import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ts from 'typescript';
import type { Message } from './dap-client.ts';

/**
 * Checks messages against the protocol's own types, as its makers publish them (generated from the protocol's JSON schema): every property that is
 * required must be there, every value must have its type, and a property the protocol does not have is a mistake.
 */
const FILE = createRequire(import.meta.url).resolve('@vscode/debugprotocol/lib/debugProtocol.d.ts');
const program = ts.createProgram([FILE], { strict: true, noLib: false, types: [] });
const checker = program.getTypeChecker();
const [namespace] = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(FILE)!)!);
const names = new Map(
  checker.getExportsOfModule(namespace).map((symbol) => [symbol.name, checker.getDeclaredTypeOfSymbol(symbol)]),
);

/** The protocol's type of a name. @throws Error when it has none */
function typeOf(name: string): ts.Type {
  const type = names.get(name);
  if (!type) throw new Error(`the protocol has no ${name}`);
  return type;
}

/** @returns what is wrong, or undefined */
function mistake(value: unknown, type: ts.Type, where: string): string | undefined {
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return undefined;
  if (type.isUnion()) {
    const all = type.types.map((t) => mistake(value, t, where));
    return all.some((m) => m === undefined)
      ? undefined
      : (all.find((m) => m !== undefined && !m.startsWith(`${where}: `)) ??
          `${where}: ${JSON.stringify(value)} is no ${checker.typeToString(type)}`);
  }
  const wrong = (): string => `${where}: ${JSON.stringify(value)} is no ${checker.typeToString(type)}`;
  if (type.isStringLiteral() || type.isNumberLiteral()) return value === type.value ? undefined : wrong();
  if (type.flags & ts.TypeFlags.BooleanLiteral)
    return typeof value === 'boolean' && checker.typeToString(type) === String(value) ? undefined : wrong();
  if (type.flags & ts.TypeFlags.String) return typeof value === 'string' ? undefined : wrong();
  if (type.flags & ts.TypeFlags.Number)
    return typeof value === 'number' && Number.isFinite(value) ? undefined : wrong();
  if (type.flags & ts.TypeFlags.Boolean) return typeof value === 'boolean' ? undefined : wrong();
  if (type.flags & ts.TypeFlags.Null) return value === null ? undefined : wrong();
  if (type.flags & ts.TypeFlags.Undefined) return value === undefined ? undefined : wrong();
  // An open enumeration: (string & {}).
  if (type.isIntersection()) return typeof value === 'string' ? undefined : wrong();
  if (typeof value !== 'object' || value === null) return wrong();
  if (checker.isArrayType(type)) {
    if (!Array.isArray(value)) return wrong();
    const [item] = checker.getTypeArguments(type as ts.TypeReference);
    return value.map((v, i) => mistake(v, item, `${where}[${i}]`)).find((m) => m !== undefined);
  }
  const rest = new Set(Object.keys(value));
  for (const property of checker.getPropertiesOfType(type)) {
    rest.delete(property.name);
    const v = (value as Record<string, unknown>)[property.name];
    if (v === undefined) {
      if ((property.flags & ts.SymbolFlags.Optional) === 0) return `${where}.${property.name} is missing`;
      continue;
    }
    const m = mistake(v, checker.getTypeOfSymbol(property), `${where}.${property.name}`);
    if (m) return m;
  }
  if (rest.size > 0 && checker.getIndexInfosOfType(type).length === 0 && checker.getPropertiesOfType(type).length > 0)
    return `${where}: the protocol has no ${[...rest].join(', ')}`;
  return undefined;
}

const capital = (text: string): string => text[0].toUpperCase() + text.slice(1);

/** The type a message of ours must have. */
function expected(m: Message): string {
  if (m.type === 'event') return `${capital(m.event!)}Event`;
  if (m.type !== 'response') throw new Error(`a message of type ${m.type}`);
  if (m.success === false) return 'ErrorResponse';
  return `${capital(m.command!)}Response`;
}

/** @throws Error naming the property that is not as the protocol has it */
export function checkMessage(m: Message): void {
  const name = expected(m);
  const wrong = mistake(m, typeOf(name), name);
  if (wrong) throw new Error(wrong);
}

/** Checks a request of the client's: the tests speak the protocol too. @throws as {@link checkMessage} */
export function checkRequest(command: string, args: object): void {
  const type = typeOf(`${capital(command)}Request`);
  const wrong = mistake({ seq: 1, type: 'request', command, arguments: args }, type, `${capital(command)}Request`);
  if (wrong) throw new Error(wrong);
}

/** Version of the protocol's types. */
export const PROTOCOL = (
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve('@vscode/debugprotocol/package.json'), 'utf8')) as {
    version: string;
  }
).version;
