import { act, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { type Answer, callAfter, draw, SID, serve } from "../../testing/index";
import { SupervisorControls } from "./SupervisorControls";

const ME = "0123456789abcdef";
const OTHER = "fedcba9876543210";
const AGENT = { id: "assistant", transferTargets: [{ number: "+14155550171" }] };
const SERVER = {
  "GET /session": { body: { session: ME } },
  "GET /agents": { body: { agents: [AGENT] } },
};

const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });
const field = (name: string) => screen.getByRole<HTMLTextAreaElement>("textbox", { name });

/** Draws the controls of a call, all of them. */
async function controls(
  routes: Record<string, Answer | (() => Promise<Answer>)>,
  ...told: { type: string; [field: string]: unknown }[]
) {
  const requests = serve({ ...SERVER, ...routes });
  const started = { type: "session_start", agent: "assistant", from: "+14155550123" };
  const drawn = draw(<SupervisorControls call={callAfter(started, ...told)} wide />);
  await screen.findByRole("group", { name: "Keypad" });
  return { ...drawn, requests };
}

test("a call is taken over", async () => {
  const { user, requests } = await controls({ "POST /override/takeover": {} });
  await user.click(button("Take over"));
  await screen.findByText("You have the call.");
  expect(requests).toMatchObject([{ path: "/override/takeover", body: { callSid: SID } }]);
});

test("one's own takeover is released, by button or key", async () => {
  const taken = { type: "takeover", holder: ME };
  const { user, requests } = await controls({ "POST /override/release": {} }, taken);
  await screen.findByText("You speak. The AI is silent and listens.");
  expect(screen.queryByRole("button", { name: /Take/ })).toBeNull();
  await user.click(button("Release"));
  await screen.findByText("The AI has the call again.");
  await user.keyboard("o");
  await waitFor(() => expect(requests).toHaveLength(2));
  expect(requests.map(({ path }) => path)).toEqual(["/override/release", "/override/release"]);
});

test("another supervisor's takeover can be taken from them, also by key", async () => {
  const taken = { type: "takeover", holder: OTHER };
  const { user, requests } = await controls({ "POST /override/takeover": {} }, taken);
  await screen.findByText("Another supervisor speaks. The AI is silent and listens.");
  await user.click(button("Take it over"));
  await screen.findByText("You have the call.");
  await user.keyboard("o");
  await waitFor(() => expect(requests).toHaveLength(2));
  expect(requests.map(({ path }) => path)).toEqual(["/override/takeover", "/override/takeover"]);
});

test("a second click while the first is under way sends nothing", async () => {
  let answer: (with_: Answer) => void = () => {};
  const slow = () => new Promise<Answer>((done) => (answer = done));
  const { requests } = await controls({ "POST /override/takeover": slow });
  // In one task, before React has drawn the button as disabled.
  act(() => {
    button("Take over").click();
    button("Take over").click();
  });
  expect(requests).toHaveLength(1);
  answer({});
  await screen.findByText("You have the call.");
});

test.each([
  ["Say to caller", "Say", "/override/text", "Spoken to the caller."],
  ["Whisper to AI", "Whisper", "/override/whisper", "Whispered to the AI."],
])("%s: what is typed is sent, and the field is emptied", async (name, press, path, done) => {
  const { user, requests } = await controls({ [`POST ${path}`]: {} });
  expect(button(press).disabled).toBe(true);
  await user.type(field(name), " One moment. ");
  await user.click(button(press));
  await screen.findByText(done);
  expect(requests).toMatchObject([{ path, body: { callSid: SID, text: "One moment." } }]);
  expect(field(name).value).toBe("");
});

test("what could not be whispered stays in the field, and why is said", async () => {
  const { user } = await controls({ "POST /override/whisper": "gone" });
  await user.type(field("Whisper to AI"), "Be brief.{Enter}");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toBe("The server cannot be reached.");
  expect(field("Whisper to AI").value).toBe("Be brief.");
});

test("digits are pressed in the order in which they were typed, one after the other", async () => {
  let running = 0;
  let most = 0;
  const press = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((done) => setTimeout(done, 20));
    running -= 1;
    return {};
  };
  const { user, requests } = await controls({ "POST /override/dtmf": press });
  await user.click(button("Digit 4"));
  await user.keyboard("2x*#");
  await screen.findByText("Pressed #.");
  expect(requests.map(({ body }) => (body as { digit: string }).digit)).toEqual([..."42*#"]);
  expect(most).toBe(1);
});

test("a digit that was refused does not hold up the next", async () => {
  let tries = 0;
  const press = async (): Promise<Answer> => {
    tries += 1;
    return tries === 1 ? "gone" : {};
  };
  const { user, requests } = await controls({ "POST /override/dtmf": press });
  await user.click(button("Digit 1"));
  await user.click(button("Digit 2"));
  await screen.findByText("Pressed 2.");
  expect(requests).toHaveLength(2);
});

test("a call is transferred to a whole number only, and only when it is confirmed", async () => {
  const { user, requests } = await controls({ "POST /override/transfer": {} });
  await user.type(field("Transfer to"), "4155550171");
  expect(screen.getByText("Begin with + and the country code.")).toBeTruthy();
  expect(button("Transfer").disabled).toBe(true);
  await user.clear(field("Transfer to"));
  await user.type(field("Transfer to"), "+1 415 555-0171{Enter}");
  const dialog = await screen.findByRole("dialog", { name: "Transfer this call?" });
  expect(within(dialog).getByText(/connected to \+1 415 555 0171/)).toBeTruthy();
  expect(requests).toEqual([]);
  await user.click(within(dialog).getByRole("button", { name: "Transfer" }));
  await screen.findByText("The call is being transferred.");
  expect(requests).toMatchObject([
    { path: "/override/transfer", body: { callSid: SID, target: "+14155550171" } },
  ]);
});

test("the numbers that the agent may transfer to are offered", async () => {
  const { user } = await controls({});
  await user.click(await screen.findByRole("button", { name: "+1 415 555 0171" }));
  expect(field("Transfer to").value).toBe("+14155550171");
});

test("a call is ended only when it is confirmed", async () => {
  const { user, requests } = await controls({ "POST /override/end": {} });
  await user.keyboard("e");
  const dialog = await screen.findByRole("dialog", { name: "End this call?" });
  await user.click(within(dialog).getByRole("button", { name: "Cancel" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(requests).toEqual([]);
  await user.click(button("End call"));
  await user.click(
    within(await screen.findByRole("dialog")).getByRole("button", { name: "End call" }),
  );
  await screen.findByText("The call is ending.");
  expect(requests).toMatchObject([{ path: "/override/end", body: { callSid: SID } }]);
});

test.each([
  ["s", "Say to caller"],
  ["w", "Whisper to AI"],
  ["t", "Transfer to"],
])("the key %s leads to “%s”", async (key, name) => {
  const { user } = await controls({});
  await user.keyboard(key);
  expect(document.activeElement).toBe(field(name));
});
