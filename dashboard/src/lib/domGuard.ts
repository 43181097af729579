/**
 * Keeps the page alive when something else changes its DOM.
 *
 * Translation extensions replace text nodes by elements of their own. When React later removes or
 * moves such a text node, it is no longer a child, the browser throws, and React unmounts the whole
 * page. A node that is already gone need not be removed, and what was to precede it goes to the end.
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
