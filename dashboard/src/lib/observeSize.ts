/** The size of a virtualised list's scroll container. */
import type { Virtualizer } from "@tanstack/react-virtual";

/** Reports the container's size without forcing a layout. */
export function observeSize(
  instance: Virtualizer<HTMLElement, Element>,
  tell: (rect: { width: number; height: number }) => void,
): (() => void) | undefined {
  const scroller = instance.scrollElement;
  if (!scroller) return undefined;
  const observer = new ResizeObserver(([entry]) => {
    const size = entry?.borderBoxSize[0];
    if (size) tell({ width: Math.round(size.inlineSize), height: Math.round(size.blockSize) });
  });
  observer.observe(scroller, { box: "border-box" });
  return () => observer.disconnect();
}
