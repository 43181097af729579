/** Who speaks in the AI's place, and what to do when nobody does. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client";
import { useNow } from "../live/index";
import { isUnanswered } from "../model/attention";
import type { Call } from "../model/call";
import { t } from "../texts/index";
import { useAct } from "./useAct";

/** `unknown` if the server does not tell: it may then be this supervisor. */
export type Holder = "nobody" | "me" | "other" | "unknown";

export function useHolder(call: Call): Holder {
  const { takenOver, holder } = call;
  const me = useQuery({
    // Asked again for each holder: a new log-in has a new id.
    queryKey: ["me", holder],
    queryFn: ({ signal }) => api.me(signal),
    enabled: takenOver && holder !== "",
    staleTime: Number.POSITIVE_INFINITY,
    retry: 1,
  });
  if (!takenOver) return "nobody";
  if (holder === "" || me.data === undefined) return "unknown";
  return me.data === holder ? "me" : "other";
}

/** Who holds the call, in words. */
export function HolderText(props: { call: Call; holder: Holder }) {
  const { call, holder } = props;
  if (call.unattended) {
    return (
      <>
        {t.controls.takenOverByNobody} <ResumeCountdown until={call.unattended.until} />
      </>
    );
  }
  if (holder === "nobody") return t.controls.takeoverHelp;
  return holder === "other" ? t.controls.takenOverByOther : t.controls.takenOver;
}

/** A caller whom nobody answers: the AI is silent, or the supervisor who took over is away. */
export function CallerAlone(props: { call: Call }) {
  const { call } = props;
  const holder = useHolder(call);
  const { act, busy } = useAct();
  const takeover = () => void act(() => api.takeover(call.callSid), t.controls.done.takeover);
  const release = () => void act(() => api.release(call.callSid), t.controls.done.release);
  return (
    <Box sx={{ display: "grid", gap: 1.25 }}>
      <Typography variant="body2" role="status">
        {call.unattended && <HolderText call={call} holder={holder} />}{" "}
        {isUnanswered(call) && t.controls.unanswered(call.unanswered.times)}
      </Typography>
      <Box sx={{ display: "flex", gap: 1, flexWrap: "wrap" }}>
        {holder !== "me" && (
          <Button variant="contained" color="warning" disabled={busy} onClick={takeover}>
            {call.takenOver ? t.controls.takeoverFrom : t.controls.takeover}
          </Button>
        )}
        {call.takenOver && (
          <Button variant="outlined" color="warning" disabled={busy} onClick={release}>
            {t.controls.release}
          </Button>
        )}
      </Box>
    </Box>
  );
}

function ResumeCountdown(props: { until: number | undefined }) {
  const now = useNow();
  return props.until === undefined ? null : t.controls.goesOn(props.until - now);
}
