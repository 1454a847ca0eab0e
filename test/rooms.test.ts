/** Import directions of the rooms, and names that only a host's rooms may use. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.split(sep).join('/'));
const parsed = new Map(
  files.map((name) => [
    name,
    ts.createSourceFile(name, readFileSync(join(SRC, name), 'utf8'), ts.ScriptTarget.Latest, true),
  ]),
);
/** `host` is two rooms and a corner that both share. */
const roomOf = (file: string): string =>
  file
    .split('/')
    .slice(0, file.startsWith('host/') ? 2 : 1)
    .join('/');

/** What a room may take values and types from: another room, or one file in it. */
const ARROWS: Record<string, readonly string[]> = {
  bytes: [],
  isa: [],
  generated: ['core', 'isa'],
  core: ['bytes', 'generated', 'isa'],
  jit: ['core', 'generated', 'isa'],
  storage: ['bytes'],
  'errno.ts': [],
  fs: ['errno.ts'],
  net: ['bytes'],
  devices: ['bytes', 'net', 'storage'],
  firmware: [],
  guest: ['bytes'],
  sandbox: ['bytes', 'errno.ts', 'guest', 'linux', 'machine', 'record', 'timeline'],
  // A recording's header holds the machine's configuration, of which it needs no more than the type.
  record: ['bytes', 'machine/board/config.ts'],
  machine: ['bytes', 'core', 'devices', 'firmware', 'isa', 'jit', 'net', 'record', 'storage'],
  timeline: ['bytes', 'isa', 'machine', 'record', 'storage'],
  symbols: ['bytes'],
  linux: ['bytes', 'isa', 'machine', 'symbols'],
  debug: ['bytes', 'core', 'fs', 'isa', 'linux', 'machine', 'record', 'symbols', 'timeline'],
  vscode: [],
  history: ['errno.ts', 'linux', 'machine', 'record', 'timeline'],
  // Blocks that only count become WebAssembly.
  probe: [
    'core',
    'debug',
    'history',
    'isa',
    'jit/wasm-code.ts',
    'jit/wasm-module.ts',
    'jit/wasm-opcodes.ts',
    'linux',
    'machine',
    'symbols',
    'timeline',
  ],
  'host/room.ts': ['machine/session/host-room.ts'],
  'host/share.ts': ['devices', 'fs', 'machine'],
  'host/guest-link.ts': ['guest', 'host/room.ts', 'machine', 'sandbox'],
  'host/http-disk.ts': ['host/sources.ts', 'storage'],
  'host/sources.ts': ['bytes'],
  'index.ts': [
    'bytes',
    'debug',
    'fs',
    'history',
    'host/room.ts',
    'host/share.ts',
    'host/sources.ts',
    'linux',
    'machine',
    'net',
    'probe',
    'record',
    'sandbox',
    'storage',
    'timeline',
  ],
  'host/node': [
    'bytes',
    'debug',
    'devices',
    'errno.ts',
    'fs',
    'generated',
    'guest',
    'host/guest-link.ts',
    'host/http-disk.ts',
    'host/room.ts',
    'jit',
    'host/share.ts',
    'index.ts',
    'linux',
    'machine',
    'net',
    'record',
    'sandbox',
    'storage',
    'symbols',
    'timeline',
  ],
  'host/browser': [
    'bytes',
    'devices',
    'errno.ts',
    'fs',
    'generated',
    'guest',
    'host/room.ts',
    'host/share.ts',
    'host/sources.ts',
    'jit',
    'machine',
    'net',
    'record',
    'sandbox',
    'storage',
    'timeline',
  ],
  cli: [
    'web/guest/manifest.ts',
    'bytes',
    'debug',
    'devices',
    'fs',
    'guest',
    'host/http-disk.ts',
    'history',
    'host/node',
    'host/room.ts',
    'isa',
    'jit',
    'linux',
    'machine',
    'net',
    'probe',
    'record',
    'storage',
    'timeline',
  ],
  web: [
    'bytes',
    'debug',
    'guest',
    'host/guest-link.ts',
    'host/browser',
    'host/room.ts',
    'host/sources.ts',
    'isa',
    'linux',
    'machine',
    'record',
    'sandbox',
    'storage',
    'timeline',
  ],
};
const PACKAGES: Record<string, RegExp> = {
  cli: /^(node:|commander$|@sqlite\.org\/sqlite-wasm$)/,
  'host/node': /^(node:|comlink$|ws$)/,
  'host/browser': /^comlink$/,
  vscode: /^vscode$/,
  web: /^(@xterm\/(xterm|addon-[a-z-]+)|comlink|lit)$/,
};
/** Clocks, randomness, processes, modules of a runtime, pages. */
const HOSTLY = new Set([
  'Date',
  'performance',
  'crypto',
  'process',
  'Buffer',
  'require',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'requestAnimationFrame',
  'document',
  'window',
  'navigator',
  'location',
  'localStorage',
  'indexedDB',
  'caches',
  'fetch',
  'XMLHttpRequest',
  'WebSocket',
  'Worker',
  'self',
  'postMessage',
  'console',
  'Deno',
  'Bun',
]);
const HOST_ROOMS = /^(host|cli|web)\//;

interface Import {
  readonly to: string;
  /** Whether nothing of it is left when types are erased. */
  readonly typeOnly: boolean;
}

const allTypes = (elements: readonly (ts.ImportSpecifier | ts.ExportSpecifier)[]): boolean =>
  elements.length > 0 && elements.every((element) => element.isTypeOnly);

/** What a node imports or re-exports. */
function importOf(node: ts.Node): { readonly target: ts.Node | undefined; readonly typeOnly: boolean } | undefined {
  if (ts.isImportDeclaration(node)) {
    const clause = node.importClause;
    const named = clause?.namedBindings;
    const listed = clause?.name === undefined && named !== undefined && ts.isNamedImports(named);
    return {
      target: node.moduleSpecifier,
      typeOnly: clause?.isTypeOnly === true || (listed && allTypes(named.elements)),
    };
  }
  if (ts.isExportDeclaration(node)) {
    const clause = node.exportClause;
    const listed = clause !== undefined && ts.isNamedExports(clause);
    return { target: node.moduleSpecifier, typeOnly: node.isTypeOnly || (listed && allTypes(clause.elements)) };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return { target: node.argument.literal, typeOnly: true };
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return { target: node.arguments[0], typeOnly: false };
  return undefined;
}

/** Everything a file imports, `import()` in expressions and in types included. */
function imports(file: string): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    const { target, typeOnly = false } = importOf(node) ?? {};
    if (target !== undefined && ts.isStringLiteralLike(target)) {
      const to = target.text.startsWith('.')
        ? normalize(join(dirname(file), target.text))
            .split(sep)
            .join('/')
        : `package ${target.text}`;
      found.push({ to, typeOnly });
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed.get(file)!);
  return found;
}

/** Circles of imports of values: each as the files from one back to itself. */
function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file].join(' → '));
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const { to, typeOnly } of imports(file)) if (!typeOnly && parsed.has(to)) visit(to);
    path.pop();
    done.add(file);
  };
  files.forEach(visit);
  return found;
}

/** What users import: its classes are those of the rooms, made for a host under the names that users know. */
const ENTRIES = new Set(['index.ts', 'host/node/index.ts']);

/**
 * Types that a file exports under a name of its own: classes, interfaces, aliases. A class that extends one of its own name is that one,
 * made for a host.
 */
function exportedTypes(file: string): string[] {
  const source = parsed.get(file)!;
  const renamed = new Map<string, string>();
  const names: string[] = [];
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) {
      const named = statement.importClause?.namedBindings;
      if (named !== undefined && ts.isNamedImports(named))
        for (const { name, propertyName } of named.elements)
          if (propertyName) renamed.set(name.text, propertyName.text);
    }
    const type =
      ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
    if (!type || statement.name === undefined) continue;
    if (!statement.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword)) continue;
    const base = ts.isClassDeclaration(statement)
      ? statement.heritageClauses?.[0]?.types[0]?.expression.getText(source)
      : '';
    const forUsers = ENTRIES.has(file) && base !== undefined && base !== '';
    if (!forUsers && renamed.get(base ?? '') !== statement.name.text) names.push(statement.name.text);
  }
  return names;
}

/** Names used as values that the file does not declare, and `Math.random`. */
function globals(file: string): string[] {
  const source = parsed.get(file)!;
  const declared = new Set<string>();
  const used: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      (ts.isVariableDeclaration(node) ||
        ts.isParameter(node) ||
        ts.isFunctionDeclaration(node) ||
        ts.isClassDeclaration(node) ||
        ts.isImportSpecifier(node) ||
        ts.isBindingElement(node)) &&
      node.name &&
      ts.isIdentifier(node.name)
    ) {
      declared.add(node.name.text);
    }
    if (ts.isPropertyAccessExpression(node)) {
      if (node.getText(source) === 'Math.random') used.push('Math.random');
      if (ts.isIdentifier(node.expression) && node.expression.text === 'globalThis') used.push(node.name.text);
      return visit(node.expression);
    }
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return;
    if (ts.isIdentifier(node)) {
      const p = node.parent;
      const key =
        (ts.isPropertyAssignment(p) ||
          ts.isMethodDeclaration(p) ||
          ts.isPropertyDeclaration(p) ||
          ts.isPropertySignature(p) ||
          ts.isMethodSignature(p) ||
          ts.isGetAccessor(p)) &&
        p.name === node;
      if (!key) used.push(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return used.filter((name) => name === 'Math.random' || (HOSTLY.has(name) && !declared.has(name)));
}

describe('rooms', () => {
  test('all are known', () => {
    expect([...new Set(files.map(roomOf))].filter((room) => !(room in ARROWS))).toEqual([]);
    expect(files.length).toBeGreaterThan(150);
  });

  test('take values and types only from rooms further in', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const room = roomOf(file);
      for (const { to } of imports(file)) {
        if (to.startsWith('package ')) {
          if (!PACKAGES[room]?.test(to.slice(8))) wrong.push(`${file} → ${to}`);
        } else if (
          roomOf(to) !== room &&
          to !== '../package.json' &&
          !ARROWS[room].some((arrow) => arrow === to || arrow === roomOf(to))
        )
          wrong.push(`${file} → ${to}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('have no circles between files', () => {
    expect(circles()).toEqual([]);
  });

  test('export no two types of one name', () => {
    const where = new Map<string, string[]>();
    for (const file of files)
      for (const name of exportedTypes(file)) where.set(name, [...(where.get(name) ?? []), file]);
    expect([...where].filter(([, places]) => places.length > 1)).toEqual([]);
  });

  test('inside name no clock, randomness, process or page', () => {
    const wrong = files
      .filter((file) => !HOST_ROOMS.test(file))
      .flatMap((file) => globals(file).map((name) => `${file}: ${name}`));
    expect(wrong).toEqual([]);
  });

  test('outside do, which shows that such names are found', () => {
    expect(files.filter((file) => HOST_ROOMS.test(file)).flatMap(globals)).toEqual(
      expect.arrayContaining(['process', 'performance', 'crypto', 'document']),
    );
  });
});
