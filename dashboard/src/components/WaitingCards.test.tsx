import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { callAfter, draw, receive, refusal, SID, serve } from "../testing/index";
import { WaitingCards } from "./WaitingCards";

const QUESTION = { type: "query", prompt: "May I waive the fee?", ago: 20 };
const REPLY = { type: "pending_response", text: "We close at five.", turn: 3, ago: 10 };

const CLARIFICATION = "POST /override/clarification";
const TEXT = "POST /override/text";
const REJECT = "POST /override/reject";

const field = (name: string) => screen.getByRole<HTMLTextAreaElement>("textbox", { name });
const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });

test("a question is answered by Enter, under its own number", async () => {
  const requests = serve({ [CLARIFICATION]: {} });
  const { user } = draw(<WaitingCards call={callAfter(QUESTION)} />);
  expect(screen.getByText("May I waive the fee?")).toBeTruthy();
  await user.type(field("Answer for AI"), "  Yes, once. {Enter}");
  await screen.findByText("Answer given to the AI.");
  expect(requests).toMatchObject([
    {
      path: "/override/clarification",
      body: { callSid: SID, response: "Yes, once.", query: 2 },
    },
  ]);
});

test("Shift and Enter make a new line and send nothing", async () => {
  const requests = serve({ [CLARIFICATION]: {} });
  const { user } = draw(<WaitingCards call={callAfter(QUESTION)} />);
  await user.type(field("Answer for AI"), "Yes,{Shift>}{Enter}{/Shift}once.");
  expect(field("Answer for AI").value).toBe("Yes,\nonce.");
  expect(requests).toEqual([]);
});

test("an empty answer cannot be sent", async () => {
  const requests = serve({ [CLARIFICATION]: {} });
  const { user } = draw(<WaitingCards call={callAfter(QUESTION)} />);
  expect(button("Answer").disabled).toBe(true);
  await user.type(field("Answer for AI"), "  {Enter}");
  expect(button("Answer").disabled).toBe(true);
  expect(requests).toEqual([]);
});

test("questions behind the first are counted", () => {
  draw(<WaitingCards call={callAfter(QUESTION, QUESTION, QUESTION)} />);
  expect(screen.getAllByText("The AI asks")).toHaveLength(1);
  expect(screen.getByText("2 more questions wait")).toBeTruthy();
});

test("a held reply is approved as it is, by its turn", async () => {
  const requests = serve({ [TEXT]: {} });
  const { user } = draw(<WaitingCards call={callAfter(REPLY)} />);
  expect(screen.queryByText("The edited text will be spoken.")).toBeNull();
  await user.click(button("Approve"));
  await screen.findByText("Reply sent.");
  expect(requests).toMatchObject([
    { path: "/override/text", body: { callSid: SID, text: "We close at five.", reply: 3 } },
  ]);
});

test("a held reply that was edited is sent as it was edited, and that is said before", async () => {
  const requests = serve({ [TEXT]: {} });
  const { user } = draw(<WaitingCards call={callAfter(REPLY)} />);
  await user.clear(field("Reply to send"));
  expect(button("Approve").disabled).toBe(true);
  await user.type(field("Reply to send"), "We close at six.");
  expect(screen.getByText("The edited text will be spoken.")).toBeTruthy();
  await user.click(button("Approve"));
  await screen.findByText("Reply sent.");
  expect(requests).toMatchObject([{ body: { text: "We close at six.", reply: 3 } }]);
});

test.each([
  ["with a reason", "Too curt.", { callSid: SID, reply: 3, reason: "Too curt." }],
  ["without one", "", { callSid: SID, reply: 3 }],
])("a held reply is rejected %s", async (_, reason, body) => {
  const requests = serve({ [REJECT]: {} });
  const { user } = draw(<WaitingCards call={callAfter(REPLY)} />);
  if (reason) await user.type(field("Reason for the AI (optional)"), reason);
  await user.click(button("Reject"));
  await screen.findByText("Reply rejected; the AI tries again.");
  expect(requests.map((request) => request.body)).toEqual([body]);
});

test("what a held reply does besides being spoken is said", () => {
  const commands = [{ command: "transfer", value: "+14155550171" }];
  draw(<WaitingCards call={callAfter({ ...REPLY, commands })} />);
  expect(screen.getByText(/Then, if sent as it is: Transfer \+14155550171/)).toBeTruthy();
});

test("the compact form leaves out the reason", () => {
  draw(<WaitingCards call={callAfter(REPLY)} compact />);
  expect(screen.queryByRole("textbox", { name: /Reason/ })).toBeNull();
  expect(button("Reject")).toBeTruthy();
});

test("a wait with a limit shows what is left, one without how long it has been", () => {
  const limited = { ...QUESTION, timeoutMs: 80_000 };
  draw(<WaitingCards call={callAfter(limited, REPLY)} />);
  const times = screen.getAllByRole("timer").map((timer) => timer.textContent);
  expect(times.some((time) => /^(1:00|0:59) left$/.test(time ?? ""))).toBe(true);
  expect(times.some((time) => /^waiting 0:1[01]$/.test(time ?? ""))).toBe(true);
});

test("who was too late is told who was faster, and with what", async () => {
  serve({ [CLARIFICATION]: refusal(409, "CONFLICT", "It is answered.") });
  const { user } = draw(<WaitingCards call={callAfter(QUESTION)} />);
  await receive(SID, QUESTION, { type: "query_response", text: "Never.", by: "supervisor" });
  await user.type(field("Answer for AI"), "Yes.{Enter}");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toMatch(/another supervisor was faster: at .* they answered: “Never.”/);
});

test("a refusal for another reason is shown in the server's words, and the text stays", async () => {
  serve({ [CLARIFICATION]: refusal(422, "INVALID", "This is too long.") });
  const { user } = draw(<WaitingCards call={callAfter(QUESTION)} />);
  await user.type(field("Answer for AI"), "Yes.{Enter}");
  const alert = await screen.findByRole("alert");
  expect(within(alert).getByText("This is too long.")).toBeTruthy();
  expect(field("Answer for AI").value).toBe("Yes.");
});

test("who has typed for nothing is told so when the card goes", async () => {
  serve({});
  const call = callAfter(QUESTION);
  const { user, redraw } = draw(<WaitingCards call={call} />);
  await receive(SID, QUESTION, { type: "query_response", answered: false, by: "policy" });
  await user.type(field("Answer for AI"), "Y");
  redraw(<WaitingCards call={callAfter()} />);
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("Too late: nobody had decided in time");
});
