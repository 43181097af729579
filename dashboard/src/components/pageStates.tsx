/** What a page shows instead of its content: loading, failed, not available, not found. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import CircularProgress from "@mui/material/CircularProgress";
import Typography from "@mui/material/Typography";
import { ApiError } from "../api/client";
import { follow, paths } from "../lib/router";
import { t } from "../texts/index";

export function Loading() {
  return (
    <Box sx={{ display: "grid", placeItems: "center", minHeight: 240, height: "100%" }}>
      <CircularProgress size={28} aria-label={t.shell.loading} />
    </Box>
  );
}

export function Failed(props: { error: unknown; retry?: () => void }) {
  const error = props.error;
  if (error instanceof ApiError && error.unavailable) {
    return <Notice title={t.states.unavailable} lead={t.states.unavailableLead} />;
  }
  const lead = error instanceof Error ? error.message : "";
  return (
    <Notice title={t.states.failed} lead={lead}>
      {props.retry && (
        <Button variant="outlined" onClick={() => props.retry?.()}>
          {t.states.again}
        </Button>
      )}
    </Notice>
  );
}

export function NotFound() {
  return (
    <Notice title={t.shell.notFound} lead="">
      <Button
        href={paths.wallboard}
        onClick={(event) => follow(event, paths.wallboard)}
        variant="outlined"
      >
        {t.shell.toWallboard}
      </Button>
    </Notice>
  );
}

export function Notice(props: { title: string; lead: string; children?: React.ReactNode }) {
  return (
    <Box
      role="status"
      sx={{ display: "grid", justifyItems: "center", gap: 1.5, textAlign: "center", px: 3, py: 8 }}
    >
      <Typography variant="h2" component="p">
        {props.title}
      </Typography>
      <Typography variant="body2" color="textSecondary" sx={{ maxWidth: 460 }}>
        {props.lead}
      </Typography>
      {props.children}
    </Box>
  );
}

/** For screen readers only. */
export const visuallyHidden = {
  position: "absolute",
  width: "1px",
  height: "1px",
  overflow: "hidden",
  clipPath: "inset(50%)",
  whiteSpace: "nowrap",
} as const;
