/** Makes an element a border that can be dragged, or moved with the arrow keys, to give what lies beside it more or less room. */
export function splitter(
  element: HTMLElement,
  { axis, get, set }: { readonly axis: 'x' | 'y'; readonly get: () => number; readonly set: (size: number) => void },
): void {
  const step = 24;
  element.tabIndex = 0;
  element.setAttribute('role', 'separator');
  element.setAttribute('aria-orientation', axis === 'x' ? 'vertical' : 'horizontal');
  const tell = (): void => element.setAttribute('aria-valuenow', String(Math.round(get())));
  tell();
  const change = (size: number): void => {
    set(size);
    tell();
  };
  element.addEventListener('pointerdown', (down) => {
    const start = axis === 'x' ? down.clientX : down.clientY;
    const size = get();
    element.setPointerCapture(down.pointerId);
    const onMove = (move: PointerEvent): void => change(size - ((axis === 'x' ? move.clientX : move.clientY) - start));
    element.addEventListener('pointermove', onMove);
    element.addEventListener('lostpointercapture', () => element.removeEventListener('pointermove', onMove), {
      once: true,
    });
  });
  element.addEventListener('keydown', ({ key }) => {
    const by = { ArrowLeft: 1, ArrowUp: 1, ArrowRight: -1, ArrowDown: -1 }[key];
    if (by !== undefined) change(get() + by * step);
  });
}
