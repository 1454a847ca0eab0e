// Packs the VS Code extension: node build/vscode.mjs [FILE.vsix]; `code --install-extension FILE.vsix` installs it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { zip } from './zip.mjs';

const source = (name) => fileURLToPath(new URL(`../src/vscode/${name}`, import.meta.url));
const manifest = JSON.parse(readFileSync(source('package.json'), 'utf8'));
const { name, displayName, description, version, publisher, engines, categories } = manifest;

const { outputFiles } = await build({
  entryPoints: [source('extension.ts')],
  bundle: true,
  write: false,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  external: ['vscode'],
});

const escaped = (text) => text.replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`);
const vsix = `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${name}" Version="${version}" Publisher="${publisher}"/>
    <DisplayName>${escaped(displayName)}</DisplayName>
    <Description xml:space="preserve">${escaped(description)}</Description>
    <Categories>${categories.join(',')}</Categories>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value="${escaped(engines.vscode)}"/>
      <Property Id="Microsoft.VisualStudio.Code.ExtensionKind" Value="workspace"/>
    </Properties>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" Addressable="true"/>
  </Assets>
</PackageManifest>
`;
const types = `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension=".json" ContentType="application/json"/><Default Extension=".js" ContentType="application/javascript"/><Default Extension=".md" ContentType="text/markdown"/><Default Extension=".vsixmanifest" ContentType="text/xml"/></Types>
`;
const target = process.argv[2] ?? `${name}-${version}.vsix`;
writeFileSync(
  target,
  zip([
    ['extension.vsixmanifest', Buffer.from(vsix)],
    ['[Content_Types].xml', Buffer.from(types)],
    ['extension/package.json', readFileSync(source('package.json'))],
    ['extension/README.md', readFileSync(source('README.md'))],
    ['extension/extension.js', outputFiles[0].contents],
  ]),
);
process.stderr.write(`${target}\n`);
