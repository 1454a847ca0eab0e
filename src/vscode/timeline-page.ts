/** The page of the view that shows where in its recording the machine is. It holds nothing from outside. */
export const TIMELINE_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Timeline</title>
<style>
  input { width: 100%; accent-color: var(--vscode-focusBorder); }
  output { font-family: var(--vscode-editor-font-family); }
  div { display: flex; justify-content: space-between; }
</style>
<input type="range" id="at" min="0" max="1" value="0" step="1" disabled aria-label="Instant, in instructions">
<div><output id="begin"></output><output id="here" for="at">not stopped</output><output id="end"></output></div>
<script>
  const host = acquireVsCodeApi();
  const [slider, begin, here, end] = ['at', 'begin', 'here', 'end'].map((id) => document.getElementById(id));
  const count = (n) => n.toLocaleString('en');
  slider.addEventListener('input', () => { here.value = count(Number(slider.value)); });
  slider.addEventListener('change', () => host.postMessage({ seek: Number(slider.value) }));
  window.addEventListener('message', ({ data }) => {
    slider.disabled = data.at === undefined;
    if (data.at === undefined) { here.value = 'running'; return; }
    [slider.min, slider.max, slider.value] = [data.begin, data.end, data.at];
    [begin.value, here.value, end.value] = [data.begin, data.at, data.end].map(count);
  });
</script>
</html>
`;
