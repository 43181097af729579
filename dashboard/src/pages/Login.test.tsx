import { screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { type Answer, draw, refusal, serve } from "../testing/index";
import { Login } from "./Login";

function login(answer: Answer) {
  const onDone = vi.fn();
  const requests = serve({ "POST /login": answer });
  const { user } = draw(<Login onDone={onDone} />);
  const enter = async (token: string) => {
    await user.type(screen.getByLabelText("Access token"), token);
    await user.click(screen.getByRole("button", { name: "Log in" }));
  };
  return { enter, onDone, requests };
}

test("the right token opens the page; spaces around it are nobody's fault", async () => {
  const { enter, onDone, requests } = login({});
  await enter("  letmein ");
  await waitFor(() => expect(onDone).toHaveBeenCalledTimes(1));
  expect(requests).toMatchObject([{ path: "/login", body: { token: "letmein" } }]);
});

test("nothing is sent without a token", () => {
  const { requests } = login({});
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Log in" }).disabled).toBe(true);
  expect(requests).toEqual([]);
});

test.each<[string, Answer, string]>([
  ["a wrong token", refusal(401, "UNAUTHORIZED", "No."), "This token is not right."],
  [
    "too many attempts",
    { status: 429, headers: { "Retry-After": "17" } },
    "Too many attempts. Try again in 17 s.",
  ],
  ["too many attempts, no time told", { status: 429 }, "Too many attempts. Try again in a while."],
  ["a server that is gone", "gone", "The server cannot be reached. Is it running?"],
  [
    "another refusal",
    refusal(403, "FORBIDDEN", "Open http://a.example."),
    "Open http://a.example.",
  ],
])("%s is said in words, and the page stays shut", async (_, answer, words) => {
  const { enter, onDone } = login(answer);
  await enter("wrong");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain(words);
  expect(screen.getByLabelText("Access token").getAttribute("aria-invalid")).toBe("true");
  expect(onDone).not.toHaveBeenCalled();
});

test("the token can be tried again", async () => {
  const { enter, requests } = login(refusal(401, "UNAUTHORIZED", "No."));
  await enter("a");
  await screen.findByRole("alert");
  await enter("b");
  await waitFor(() => expect(requests).toHaveLength(2));
});
