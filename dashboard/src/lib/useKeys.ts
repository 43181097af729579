/** Keyboard shortcuts: single letters, and `g` followed by a letter. */
import { useEffect, useRef } from "react";

export type Keys = Record<string, () => void>;

const SEQUENCE_MS = 1_200;

/** Binds keys while the component is mounted, except in fields and dialogs. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    let prefix = "";
    let at = 0;
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector("[role=dialog]")) return;
      const sequence = performance.now() - at < SEQUENCE_MS ? prefix + event.key : event.key;
      prefix = event.key === "g" ? "g " : "";
      at = performance.now();
      const run = latest.current[sequence];
      if (!run) return;
      event.preventDefault();
      run();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
