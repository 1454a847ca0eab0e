/** Builds the core and the generated sources before the first test runs; tests of the bundles build those themselves. */
export default async function setup(): Promise<void> {
  const url = new URL('../build/build.mjs', import.meta.url).href;
  const { build } = (await import(/* @vite-ignore */ url)) as { build(options: { bundles: boolean }): Promise<void> };
  await build({ bundles: false });
}
