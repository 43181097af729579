import { useEffect, useState } from "react";

const FRAME_MS = 16;

/**
 * So many of the wanted are to be drawn now: a few more with every frame, so that the first sight of
 * many calls is no long task.
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
