import type { KeyboardEvent } from "react";

/** Enter sends, Shift+Enter breaks the line; an Enter that belongs to an input method is left alone. */
export function onEnter(send: () => void) {
  return (event: KeyboardEvent) => {
    if (event.key === "Escape") (event.target as HTMLElement).blur();
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
}
