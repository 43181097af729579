import { useEffect, useState } from "react";

const FRAME_MS = 16;

/**
 * How many of `wanted` items to draw now: `step` more with each frame, so that the first render of
 * many is not one long task.
 */
export function useGradually(wanted: number, step: number): number {
  const [shown, show] = useState(step);
  useEffect(() => {
    if (shown >= wanted) return;
    const timer = setTimeout(() => show(shown + step), FRAME_MS);
    return () => clearTimeout(timer);
  }, [shown, wanted, step]);
  return Math.min(shown, wanted);
}
