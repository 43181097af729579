/**
 * Keeps the page alive when something else changes its DOM.
 *
 * Translation extensions put elements of their own in the place of text. When React later removes or
 * moves such a text, it is no child any more, the browser throws, and React takes the whole page
 * down. What is gone already need not be removed, and what was to stand before it goes to the end.
 */
export function guardDom(node: Node): void {
  const { removeChild, insertBefore } = node;
  node.removeChild = function <T extends Node>(this: Node, child: T): T {
    if (child.parentNode !== this) return child;
    return removeChild.call(this, child) as T;
  };
  node.insertBefore = function <T extends Node>(this: Node, added: T, before: Node | null): T {
    const here = before?.parentNode === this ? before : null;
    return insertBefore.call(this, added, here) as T;
  };
}
