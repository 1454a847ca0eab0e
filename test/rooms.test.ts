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

/** What a room may take values from: an arrow to another room, or to one file in it. Types may come from anywhere. */
const ARROWS: Record<string, readonly string[]> = {
  bytes: [],
  isa: [],
  generated: ['core', 'isa'],
  core: ['bytes', 'generated', 'isa'],
  jit: ['core', 'generated', 'isa'],
  storage: ['bytes'],
  fs: [],
  devices: ['bytes', 'storage'],
  firmware: [],
  guest: [],
  record: ['bytes'],
  machine: ['bytes', 'core', 'devices', 'firmware', 'isa', 'jit', 'record', 'storage'],
  timeline: ['bytes', 'isa', 'machine', 'record'],
  symbols: ['bytes'],
  linux: ['machine', 'symbols'],
  debug: ['bytes', 'core', 'isa', 'linux', 'machine', 'record', 'symbols', 'timeline'],
  'host/room.ts': [],
  'host/share.ts': ['devices', 'fs'],
  'host/sources.ts': [],
  'index.ts': [
    'bytes',
    'fs',
    'host/room.ts',
    'host/share.ts',
    'host/sources.ts',
    'machine',
    'record',
    'storage',
    'timeline',
  ],
  'host/node': [
    'bytes',
    'debug',
    'fs',
    'guest',
    'host/room.ts',
    'host/share.ts',
    'index.ts',
    'linux',
    'record',
    'storage',
    'symbols',
    'timeline',
  ],
  'host/browser': ['host/room.ts', 'machine'],
  cli: ['bytes', 'debug', 'guest', 'host/node', 'host/room.ts', 'isa', 'machine', 'record', 'timeline'],
  web: ['guest', 'host/browser'],
};
const PACKAGES: Record<string, RegExp> = {
  cli: /^(node:|commander$)/,
  'host/node': /^(node:|comlink$)/,
  'host/browser': /^comlink$/,
  web: /^(@xterm\/xterm|comlink)/,
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
  readonly from: string;
  readonly to: string;
}

/** Imports of values. */
function imports(file: string): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    let target: ts.Node | undefined;
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause;
      const named = clause?.namedBindings;
      const values =
        !clause?.isTypeOnly &&
        (clause?.name !== undefined ||
          named === undefined ||
          ts.isNamespaceImport(named) ||
          named.elements.some((e) => !e.isTypeOnly));
      if (values) target = node.moduleSpecifier;
    } else if (ts.isExportDeclaration(node) && !node.isTypeOnly) {
      const clause = node.exportClause;
      if (clause === undefined || ts.isNamespaceExport(clause) || clause.elements.some((e) => !e.isTypeOnly))
        target = node.moduleSpecifier;
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      target = node.arguments[0];
    if (target !== undefined && ts.isStringLiteralLike(target)) {
      found.push({
        from: file,
        to: target.text.startsWith('.')
          ? normalize(join(dirname(file), target.text))
              .split(sep)
              .join('/')
          : `package ${target.text}`,
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed.get(file)!);
  return found;
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

  test('take values only from rooms further in', () => {
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
