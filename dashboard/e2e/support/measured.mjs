import { test } from "@playwright/test";

/** Prints what was measured, under the test's name. */
export function measured(figures) {
  console.log(`${test.info().title}: ${JSON.stringify(figures)}`);
}
