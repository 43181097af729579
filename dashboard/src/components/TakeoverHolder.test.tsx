import { screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Call } from "../model/call";
import { callAfter, draw, SID, serve } from "../testing/index";
import { CallerAlone, HolderText, useHolder } from "./TakeoverHolder";

const ME = "0123456789abcdef";
const SESSION = { "GET /session": { body: { session: ME } } };
const SPOKEN = { type: "transcript", speaker: "caller", text: "Hello?", final: true };

function Text(props: { call: Call }) {
  const holder = useHolder(props.call);
  return (
    <p data-holder={holder}>
      <HolderText call={props.call} holder={holder} />
    </p>
  );
}

test("a call that the AI holds says what taking it over does", () => {
  serve(SESSION);
  draw(<Text call={callAfter()} />);
  expect(screen.getByText(/The AI falls silent/)).toBeTruthy();
});

test.each([
  ["me", ME, "You speak. The AI is silent and listens."],
  ["other", "fedcba9876543210", "Another supervisor speaks. The AI is silent and listens."],
  ["unknown", "", "You speak. The AI is silent and listens."],
])("a takeover held by %s is told apart by the log-in", async (holder, by, words) => {
  serve(SESSION);
  draw(<Text call={callAfter({ type: "takeover", holder: by })} />);
  const text = await screen.findByText(words);
  await waitFor(() => expect(text.dataset.holder).toBe(holder));
});

test("a takeover whose holder is away says when the AI goes on", () => {
  serve(SESSION);
  const away = { type: "takeover_unattended", holder: ME, timeoutMs: 30_000 };
  draw(<Text call={callAfter({ type: "takeover", holder: ME }, away)} />);
  expect(
    screen.getByText(/^Whoever took over is not there\. The AI goes on in 30 s\.$/),
  ).toBeTruthy();
});

test("a caller who has spoken in vain can be taken over from the AI", async () => {
  const requests = serve({ ...SESSION, "POST /override/takeover": {} });
  const { user } = draw(<CallerAlone call={callAfter(SPOKEN, SPOKEN, SPOKEN)} />);
  expect(screen.getByText(/The caller has spoken 3 times without an answer\./)).toBeTruthy();
  expect(screen.queryByRole("button", { name: "Release" })).toBeNull();
  await user.click(screen.getByRole("button", { name: "Take over" }));
  await screen.findByText("You have the call.");
  expect(requests).toMatchObject([{ path: "/override/takeover", body: { callSid: SID } }]);
});

test("a caller left alone can be taken from whoever left, or given back to the AI", async () => {
  const requests = serve({ ...SESSION, "POST /override/release": {} });
  const other = "fedcba9876543210";
  const call = callAfter(
    { type: "takeover", holder: other },
    { type: "takeover_unattended", holder: other },
  );
  const { user } = draw(<CallerAlone call={call} />);
  expect(await screen.findByRole("button", { name: "Take it over" })).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "Release" }));
  await screen.findByText("The AI has the call again.");
  expect(requests).toMatchObject([{ path: "/override/release", body: { callSid: SID } }]);
});

test("one's own takeover is not offered for taking over", async () => {
  serve(SESSION);
  const call = callAfter({ type: "takeover", holder: ME }, SPOKEN, SPOKEN, SPOKEN);
  draw(<CallerAlone call={call} />);
  await expect.poll(() => screen.queryByRole("button", { name: /Take/ })).toBeNull();
  expect(screen.getByRole("button", { name: "Release" })).toBeTruthy();
});
