import { screen, waitFor } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { draw, receive, serve } from "../../testing/index";
import { AttentionQueue } from "./AttentionQueue";

const sid = (n: number) => `CA${String(n).padStart(32, "0")}`;
const question = (prompt: string, ago: number) => ({ type: "query", prompt, ago });
const asked = () => screen.queryAllByText(/^Question/).map((each) => each.textContent);

beforeEach(() => {
  serve({});
});

test("says that nobody waits", () => {
  draw(<AttentionQueue />);
  expect(screen.getByText("Nobody is waiting for you.")).toBeTruthy();
});

test("shows who waits, the longest waiting first, with the caller and a way to the call", async () => {
  draw(<AttentionQueue />);
  await receive(sid(1), { type: "whisper", text: "Nothing waits here." });
  await receive(sid(2), question("Question of the second", 5));
  await receive(sid(3), question("Question of the third", 50));
  await waitFor(() => expect(asked()).toEqual(["Question of the third", "Question of the second"]));
  expect(screen.queryByText("Nobody is waiting for you.")).toBeNull();
  const [link] = screen.getAllByRole<HTMLAnchorElement>("link");
  expect(link?.textContent).toBe("••• 0123");
  expect(link?.pathname).toMatch(`/calls/${sid(3)}`);
});

test("a call leaves the queue as soon as it is answered, and the others stay", async () => {
  draw(<AttentionQueue />);
  await receive(sid(1), question("Question of the first", 5));
  await receive(sid(2), question("Question of the second", 4));
  await waitFor(() => expect(asked()).toHaveLength(2));
  await receive(sid(1), { type: "query_response", text: "Yes.", by: "supervisor" });
  await waitFor(() => expect(asked()).toEqual(["Question of the second"]));
});

test("a caller whose supervisor has left waits, too", async () => {
  draw(<AttentionQueue />);
  const holder = "fedcba9876543210";
  await receive(sid(1), { type: "takeover", holder }, { type: "takeover_unattended", holder });
  await screen.findByText(/Whoever took over is not there\./);
});

test("of more than six the rest is counted", async () => {
  draw(<AttentionQueue />);
  for (let n = 1; n <= 8; n += 1) await receive(sid(n), question(`Question ${n}`, 60 - n));
  await screen.findByText("2 more calls wait in the list below");
  await waitFor(() => expect(asked()).toHaveLength(6));
});
