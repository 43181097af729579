/** Starts the page: styles, queries, and, in mock mode, the stand-in server. */
import { CacheProvider } from "@emotion/react";
import CssBaseline from "@mui/material/CssBaseline";
import { ThemeProvider } from "@mui/material/styles";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, startTransition } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { App } from "./app/App";
import { theme } from "./app/theme";
import { adoptedStyles } from "./lib/adoptedStyles";

/** A refusal is not retried; a lost connection or a server error is. */
const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (times, error) =>
        times < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
    },
  },
});

export async function start(root: HTMLElement): Promise<void> {
  if (import.meta.env.MODE === "mock") {
    const { install } = await import("./mock/install");
    install();
  }
  const page = (
    <StrictMode>
      <CacheProvider value={adoptedStyles()}>
        <ThemeProvider theme={theme} defaultMode="system">
          <CssBaseline enableColorScheme />
          <QueryClientProvider client={client}>
            <App />
          </QueryClientProvider>
        </ThemeProvider>
      </CacheProvider>
    </StrictMode>
  );
  // As a transition the first render is sliced, so that the browser can paint in between.
  startTransition(() => createRoot(root).render(page));
}
