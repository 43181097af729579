/** Gives each test of a component a fresh page. */
import { cleanup } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import { store } from "../live/index";

afterEach(() => {
  cleanup();
  store.clear();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});
