import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running Phony. */
const server = process.env.PHONY_URL ?? "http://127.0.0.1:24187";

/** The server's routes, so that the development server hands them on. */
const routes = [
  "/agents",
  "/calls",
  "/doctor",
  "/healthz",
  "/login",
  "/logout",
  "/metrics",
  "/openapi.json",
  "/override",
  "/readyz",
  "/scenarios",
];

export default defineConfig({
  base: "/dashboard/",
  plugins: [react()],
  build: {
    target: "es2022",
    // Inlined assets would be `data:` addresses, which the content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      ...Object.fromEntries(routes.map((route) => [route, { target: server }])),
      "/events/ws": { target: server, ws: true },
      "/softphone/ws": { target: server, ws: true },
    },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
