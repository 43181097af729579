import type { KeyboardEvent } from "react";

/** Enter sends, Shift and Enter make a line; an input method's own Enter is its own. */
export function onEnter(send: () => void) {
  return (event: KeyboardEvent) => {
    if (event.key === "Escape") (event.target as HTMLElement).blur();
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
}
