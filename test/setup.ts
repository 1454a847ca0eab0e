/** Builds what the tests need before the first of them runs. */
export default async function setup(): Promise<void> {
  const url = new URL('../build/build.mjs', import.meta.url).href;
  const { build } = (await import(/* @vite-ignore */ url)) as { build(options: { bundles: boolean }): Promise<void> };
  await build({ bundles: true });
}
