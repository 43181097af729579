import { screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { type Answer, draw, refusal, serve } from "../testing/index";
import NewCall from "./NewCall";

const SCENARIO = {
  id: "parcel",
  name: "Parcel",
  description: "Asks where a parcel is.",
  opening: "Hello, I call about parcel {number}.",
  slots: [{ name: "number" }, { name: "carrier", default: "the post" }],
};

afterEach(() => history.replaceState(null, "", "/"));

function form(place: Answer | (() => Answer), path = "/dashboard/new") {
  history.replaceState(null, "", path);
  const requests = serve({
    "GET /agents": { body: { agents: [] } },
    "GET /scenarios": { body: { scenarios: [SCENARIO] } },
    "POST /calls": place,
  });
  return { ...draw(<NewCall />), requests };
}

const PLACED: Answer = { status: 201, body: { callSid: "CA7", status: "queued" } };
const number = () => screen.getByRole("textbox", { name: "Number to call" });
const consent = () => screen.getByRole("checkbox", { name: /has agreed/ });
const place = () => screen.getByRole<HTMLButtonElement>("button", { name: "Place call" });

test("a call is placed, and its page opened", async () => {
  const { user, requests } = form(PLACED);
  await user.type(number(), "+1 415 555 0123");
  await user.click(consent());
  await user.click(place());
  await waitFor(() => expect(location.pathname).toMatch(/\/calls\/CA7$/));
  expect(requests).toMatchObject([{ path: "/calls", body: { to: "+14155550123", consent: true } }]);
});

test("without consent nothing is placed, and that is said", async () => {
  const { user, requests } = form(PLACED);
  await user.type(number(), "+14155550123{Enter}");
  expect(screen.getByText("A call without consent is never placed.")).toBeTruthy();
  expect(place().disabled).toBe(true);
  expect(requests).toEqual([]);
});

test.each([
  ["call me", "Only digits, please."],
  ["+1415555012345678", "A phone number has at most 15 digits."],
])("%s is no number, and that is said", async (typed, words) => {
  const { user } = form(PLACED);
  await user.type(number(), typed);
  await user.click(consent());
  expect(screen.getByText(words)).toBeTruthy();
  expect(number().getAttribute("aria-invalid")).toBe("true");
  expect(place().disabled).toBe(true);
});

test("a number without a country code is left to the server, which knows its own country", async () => {
  const { user, requests } = form(PLACED);
  await user.type(number(), "(415) 555-0123");
  await user.click(consent());
  await user.click(place());
  await waitFor(() => expect(requests).toMatchObject([{ body: { to: "(415) 555-0123" } }]));
});

test("a scenario's empty slots keep the call from being placed", async () => {
  const { user, requests } = form(PLACED, "/dashboard/new?scenario=parcel");
  const slot = await screen.findByRole("textbox", { name: /Number$/ });
  await user.type(number(), "+14155550123");
  await user.click(consent());
  expect(place().disabled).toBe(true);
  await user.type(slot, "77");
  expect(screen.getByText("“Hello, I call about parcel 77.”")).toBeTruthy();
  await user.click(place());
  await waitFor(() =>
    expect(requests).toMatchObject([{ body: { scenario: "parcel", variables: { number: "77" } } }]),
  );
});

test("a refusal by a safety rule is explained", async () => {
  const refused = refusal(422, "REFUSED", "This number is on the list.", { rule: "do_not_call" });
  const { user } = form(refused);
  await user.type(number(), "+14155550123");
  await user.click(consent());
  await user.click(place());
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("Refused by a safety rule");
  expect(alert.textContent).toContain("This number is on the list.");
  expect(alert.textContent).toContain("its owner asked not to be called");
});

test("only a refusal for the hour can be overridden, and that is sent", async () => {
  const refused = refusal(422, "REFUSED", "It is 03:00 there.", { rule: "calling_hours" });
  const { user, requests } = form(refused);
  expect(screen.queryByRole("checkbox", { name: /outside calling hours/ })).toBeNull();
  await user.type(number(), "+14155550123");
  await user.click(consent());
  await user.click(place());
  await user.click(await screen.findByRole("checkbox", { name: /outside calling hours/ }));
  await user.click(place());
  await waitFor(() => expect(requests).toHaveLength(2));
  expect(requests[1]).toMatchObject({ body: { ignoreCallingHours: true } });
});

test("after a lost answer the same call is asked for; after a refusal it is another", async () => {
  const answers: Answer[] = ["gone", refusal(422, "REFUSED", "No."), PLACED];
  const { user, requests } = form(() => answers.shift() ?? PLACED);
  await user.type(number(), "+14155550123");
  await user.click(consent());
  for (const words of ["The server cannot be reached.", "Refused by a safety rule"]) {
    await user.click(place());
    await screen.findByText(words);
  }
  await user.click(place());
  await waitFor(() => expect(requests).toHaveLength(3));
  const [first, second, third] = requests.map(({ headers }) => headers.get("Idempotency-Key"));
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(second).toBe(first);
  expect(third).not.toBe(second);
});
