/** Whether the page is live: a dot in the top bar, and a banner while it is not. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { useEffect, useRef, useState } from "react";
import { visuallyHidden } from "../components/pageStates";
import { stream, useConnection, useMonotonic } from "../live/index";
import { t } from "../texts/index";

/** A loss shorter than this is not worth a banner. */
const GRACE_MS = 800;

export function ConnectionDot() {
  const { state } = useConnection();
  const colour = { live: "success.main", connecting: "text.secondary", stale: "error.main" }[state];
  return (
    <Box sx={{ display: "flex", alignItems: "center", gap: 0.75, fontSize: "0.8rem" }}>
      <Box
        aria-hidden
        sx={{ width: "0.5rem", height: "0.5rem", borderRadius: "50%", bgcolor: colour }}
      />
      <span>{t.connection[state]}</span>
    </Box>
  );
}

export function ConnectionBanner() {
  const connection = useConnection();
  const now = useMonotonic();
  useBrowserEvents();
  const wasStale = useRef(false);
  const [message, setMessage] = useState("");
  useEffect(() => {
    if (connection.state === "stale") wasStale.current = true;
    if (connection.state !== "live" || !wasStale.current) return;
    wasStale.current = false;
    setMessage(t.connection.back);
  }, [connection.state]);

  const lost = now - connection.since;
  if (connection.state !== "stale" || lost < GRACE_MS) {
    return (
      <Box role="status" sx={visuallyHidden}>
        {message}
      </Box>
    );
  }
  return (
    <Box role="alert" sx={banner}>
      <Typography variant="body2" sx={{ fontWeight: 600 }}>
        {t.connection.banner(lost)}
      </Typography>
      <Box sx={{ flex: 1 }} />
      <Typography variant="body2">{t.connection.retry(connection.retryAt - now)}</Typography>
      <Button size="small" color="inherit" variant="outlined" onClick={() => stream.reconnect()}>
        {t.connection.now}
      </Button>
    </Box>
  );
}

/** Reacts to what the browser knows: the network is back, or the page is visible again. */
function useBrowserEvents(): void {
  useEffect(() => {
    const back = () => stream.reconnect();
    const look = () => stream.check();
    window.addEventListener("online", back);
    document.addEventListener("visibilitychange", look);
    return () => {
      window.removeEventListener("online", back);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
}

const banner = {
  position: "sticky",
  top: 0,
  zIndex: 5,
  display: "flex",
  flexWrap: "wrap",
  alignItems: "center",
  gap: 1.5,
  px: { xs: 1.5, md: 3 },
  py: 1,
  bgcolor: "error.main",
  color: "error.contrastText",
} as const;
