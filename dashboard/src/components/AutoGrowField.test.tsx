import { screen } from "@testing-library/react";
import { useState } from "react";
import { expect, test } from "vitest";
import { draw } from "../testing/index";
import { AutoGrowField } from "./AutoGrowField";

function Field() {
  const [text, setText] = useState("");
  const change = (event: { target: { value: string } }) => setText(event.target.value);
  return <AutoGrowField label="Words" maxRows={6} value={text} onChange={change} />;
}

/** The rules for the text area, as they were made. */
function rules(): string {
  return [...document.querySelectorAll("style")]
    .map((style) => style.textContent)
    .filter((text) => text.includes(" textarea{"))
    .join("");
}

test("takes several lines under its label", async () => {
  const { user } = draw(<Field />);
  await user.type(screen.getByRole("textbox", { name: "Words" }), "one{Enter}two");
  expect(screen.getByRole<HTMLTextAreaElement>("textbox").value).toBe("one\ntwo");
});

test("begins with one row, and the browser lets it grow up to its limit", () => {
  draw(<Field />);
  expect(screen.getByRole<HTMLTextAreaElement>("textbox").rows).toBe(1);
  expect(rules()).toContain("field-sizing:content");
  expect(rules()).toContain(`max-height:${1.4375 * 6}em`);
  expect(rules()).toContain("overflow-y:auto");
});
