/**
 * Styles made at run time go into constructed style sheets, which a content security policy of
 * `style-src 'self'` allows, instead of `<style>` elements, which it does not.
 */
import createCache, { type EmotionCache } from "@emotion/cache";

/** Replaces emotion's style sheet class; `Global` styles construct further instances of it. */
class AdoptedSheet {
  readonly key: string;
  readonly isSpeedy = true;
  readonly nonce = undefined;
  readonly container: Node = document.head;
  readonly tags: HTMLStyleElement[] = [];
  readonly before = null;
  private readonly sheet = new CSSStyleSheet();

  constructor(options: { key: string }) {
    this.key = options.key;
    // Global styles come first, so that a component's own styles win.
    document.adoptedStyleSheets = options.key.endsWith("-global")
      ? [this.sheet, ...document.adoptedStyleSheets]
      : [...document.adoptedStyleSheets, this.sheet];
  }

  hydrate(): void {}

  insert(rule: string): void {
    try {
      this.sheet.insertRule(rule, this.sheet.cssRules.length);
    } catch {
      // A rule for another browser's engine (`::-moz-…`) is not understood by this one.
    }
  }

  flush(): void {
    this.sheet.replaceSync("");
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter(
      (sheet) => sheet !== this.sheet,
    );
  }
}

export function adoptedStyles(): EmotionCache {
  const cache = createCache({ key: "p" });
  cache.sheet = new AdoptedSheet({ key: "p" }) as unknown as EmotionCache["sheet"];
  return cache;
}
