import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running Phony. */
const server = process.env.PHONY_URL ?? "http://127.0.0.1:24187";

/** The server's routes, which the development server proxies. */
const routes = [
  "/agents",
  "/calls",
  "/doctor",
  "/healthz",
  "/login",
  "/logout",
  "/metrics",
  "/nodes",
  "/openapi.json",
  "/override",
  "/readyz",
  "/scenarios",
];

/**
 * Preloads what `boot.ts` imports one by one, and the first page: they are evaluated one after the
 * other, but fetched together.
 */
function preloadTogether(): Plugin {
  return {
    name: "preload-together",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle, chunk }) {
        if (!bundle || !chunk) return [];
        const wanted = new Set<string>();
        const want = (name: string) => {
          const file = bundle[name];
          if (file?.type !== "chunk" || wanted.has(name)) return;
          wanted.add(name);
          for (const other of file.imports) want(other);
        };
        for (const name of chunk.dynamicImports) want(name);
        for (const [name, file] of Object.entries(bundle)) {
          if (file.type === "chunk" && file.name === "Wallboard") want(name);
        }
        wanted.delete(chunk.fileName);
        return [...wanted].map((name) => ({
          tag: "link",
          attrs: { rel: "modulepreload", crossorigin: true, href: `/dashboard/${name}` },
          injectTo: "head" as const,
        }));
      },
    },
  };
}

export default defineConfig({
  base: "/dashboard/",
  plugins: [react(), preloadTogether()],
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
  test: {
    projects: [
      {
        extends: true,
        test: { name: "logic", include: ["src/**/*.test.ts"], environment: "node" },
      },
      {
        extends: true,
        test: {
          name: "components",
          include: ["src/**/*.test.tsx"],
          environment: "jsdom",
          setupFiles: "src/testing/setup.ts",
          // A busy machine is no reason to fail.
          testTimeout: 30_000,
        },
      },
    ],
  },
});
