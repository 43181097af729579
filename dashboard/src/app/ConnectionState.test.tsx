import { act, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { replaceSocket, stream } from "../live/index";
import type { SocketLike } from "../live/stream";
import { serve } from "../testing/index";
import { ConnectionBanner, ConnectionDot } from "./ConnectionState";

class FakeSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  send(): void {}
  close(): void {
    this.onclose?.({ code: 1000 });
  }
}

let sockets: FakeSocket[];
const newest = () => sockets.at(-1);
const open = () => act(() => newest()?.onopen?.());
const lose = () => act(() => newest()?.onclose?.({ code: 1006 }));
const wait = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

beforeEach(() => {
  vi.useFakeTimers();
  // Not at the very beginning of the page's time, which stands for «not lost».
  vi.advanceTimersByTime(10_000);
  sockets = [];
  // The server is gone but for the sockets that a test opens itself.
  serve({ "GET /calls?live=true&limit=500": { body: { calls: [] } }, "POST /session": "gone" });
  replaceSocket(() => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return socket;
  });
  stream.start();
  render(
    <>
      <ConnectionDot />
      <ConnectionBanner />
    </>,
  );
});

afterEach(() => {
  act(() => stream.stop());
});

test("a live page says so, and has no banner", async () => {
  expect(screen.getByText("Connecting")).toBeTruthy();
  open();
  await wait(5_000);
  expect(screen.getByText("Live")).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.getByRole("status").textContent).toBe("");
});

test("a lost connection is said with the time since, once it has lasted", async () => {
  open();
  lose();
  expect(screen.getByText("Not live")).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
  await wait(5_500);
  const banner = screen.getByRole("alert");
  expect(banner.textContent).toMatch(/The connection to the server was lost 0:0[45] ago\./);
  expect(banner.textContent).toMatch(/Trying again/);
});

test("it is tried again at once by the button, and when the browser is back on line", async () => {
  open();
  lose();
  await wait(1_900);
  const before = sockets.length;
  fireEvent.click(screen.getByRole("button", { name: "Try now" }));
  expect(sockets).toHaveLength(before + 1);
  act(() => {
    window.dispatchEvent(new Event("online"));
  });
  expect(sockets).toHaveLength(before + 2);
});

test("what is live again says so, once", async () => {
  open();
  lose();
  await wait(1_900);
  fireEvent.click(screen.getByRole("button", { name: "Try now" }));
  open();
  await wait(100);
  expect(screen.getByText("Live")).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.getByRole("status").textContent).toBe("Connected again. Nothing was missed.");
});
