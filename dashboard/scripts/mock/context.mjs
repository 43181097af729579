// The page with recorded events, and what every check does with it.
import { report } from "../chromium.mjs";
import { start } from "../mock-page.mjs";

export const site = await start();
/** What was measured. */
export const figures = {};

export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1440, height: 900 };

/** The recorded calls are told apart by a digit. */
export const sidOf = (digit) => `CA${String(digit).repeat(32)}`;
export const call = (digit) => `/calls/${sidOf(digit)}`;

/** Collects what goes wrong in a page of a context of its own. */
export const watched = (page) => report(page, "context", site.problems);
