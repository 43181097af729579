import { afterEach, beforeEach, expect, test, vi } from "vitest";

const MESSAGE = { title: "A call needs you", body: "?", tag: "one", path: "/dashboard/calls/CA1" };

interface Shown {
  title: string;
  options: { body?: string; tag?: string; data?: { path: string } };
}

let byPage: Shown[];
let byWorker: Shown[];
let message: ((event: { data: unknown }) => void) | undefined;

/** A browser in which pages may notify themselves, or only workers, or nobody. */
function browser(constructs: boolean, works: boolean): void {
  vi.stubGlobal(
    "Notification",
    class {
      static permission = "granted";
      onclick: (() => void) | null = null;
      constructor(title: string, options: Shown["options"]) {
        if (!constructs) throw new TypeError("Failed to construct 'Notification'");
        byPage.push({ title, options });
      }
      close(): void {}
    },
  );
  const registration = {
    showNotification: async (title: string, options: Shown["options"]) => {
      byWorker.push({ title, options });
    },
  };
  vi.stubGlobal("navigator", {
    serviceWorker: works && {
      register: async () => registration,
      ready: Promise.resolve(registration),
      addEventListener: (_: string, listener: typeof message) => {
        message = listener;
      },
      startMessages: () => {},
    },
  });
  vi.stubGlobal("window", globalThis);
}

beforeEach(() => {
  vi.resetModules();
  byPage = [];
  byWorker = [];
});
afterEach(() => vi.unstubAllGlobals());

test("a page that may notify does it itself", async () => {
  browser(true, true);
  const { notify } = await import("./notifications");
  expect(await notify(MESSAGE, () => {})).toBe(true);
  expect([byPage.length, byWorker.length]).toEqual([1, 0]);
});

test("where the page's own throws, the worker notifies, and a click leads to the call", async () => {
  browser(false, true);
  const { notify } = await import("./notifications");
  const opened: string[] = [];
  expect(await notify(MESSAGE, (path) => opened.push(path))).toBe(true);
  expect(byWorker).toMatchObject([
    { title: MESSAGE.title, options: { data: { path: MESSAGE.path } } },
  ]);
  message?.({ data: { open: MESSAGE.path } });
  message?.({ data: "something else" });
  expect(opened).toEqual([MESSAGE.path]);
});

test("where neither works nothing is thrown", async () => {
  browser(false, false);
  const { notify } = await import("./notifications");
  expect(await notify(MESSAGE, () => {})).toBe(false);
});
