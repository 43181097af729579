/** A call that has ended: summary, figures, latencies, downloads. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import type { ReactNode } from "react";
import { transcriptUrl } from "../../api/client";
import { serverClock } from "../../live/clock";
import type { Call, Turn } from "../../model/call";
import { clock, dateAndTime, delay, dollars } from "../../model/format";
import { percentile, turnLatency } from "../../model/latency";
import { summary } from "../../model/summary";
import { t } from "../../texts/index";
import { LatencyChart } from "./LatencyChart";

export function CallRecord(props: { call: Call }) {
  const { call } = props;
  const turns = call.items.filter((item): item is Turn => item.kind === "turn");
  const delays = Object.values(call.latency)
    .map(turnLatency)
    .filter((ms) => ms !== undefined);
  const tokens = Object.entries(call.tokens).filter(([, count]) => count > 0);
  const p50 = percentile(delays, 0.5);
  const p95 = percentile(delays, 0.95);
  return (
    <Box sx={{ p: 2.5, display: "grid", gap: 2.5 }}>
      <Box>
        <Typography variant="h2">{t.record.title}</Typography>
        <Typography variant="body2" color="textSecondary">
          {t.record.ended(call.endReason)}
        </Typography>
      </Box>
      <Typography variant="body2">{t.record.summary(call, summary(call))}</Typography>
      <Box component="dl" sx={figures}>
        <Figure name={t.record.started} value={dateAndTime(call.startedAt, serverClock.now())} />
        <Figure name={t.record.length} value={clock(call.durationMs)} />
        <Figure name={t.record.turns} value={turns.length} />
        <Figure
          name={t.record.interruptions}
          value={turns.filter((turn) => turn.interrupted).length}
        />
        <Figure name={t.record.p50} value={p50 === undefined ? "–" : delay(p50)} />
        <Figure name={t.record.p95} value={p95 === undefined ? "–" : delay(p95)} />
        <Figure name={t.record.cost} value={dollars(call.costUsd)} />
      </Box>
      <Box>
        <Typography variant="h3" sx={{ mb: 1.75 }}>
          {t.record.latency}
        </Typography>
        <LatencyChart latency={call.latency} />
      </Box>
      {tokens.length > 0 && (
        <Box>
          <Typography variant="h3" sx={{ mb: 1 }}>
            {t.record.tokens}
          </Typography>
          <Box component="dl" sx={figures}>
            {tokens.map(([kind, count]) => (
              <Figure key={kind} name={spaced(kind)} value={count.toLocaleString("en")} />
            ))}
          </Box>
        </Box>
      )}
      <Box>
        <Typography variant="h3" sx={{ mb: 1 }}>
          {t.record.export}
        </Typography>
        <Box sx={{ display: "flex", gap: 1 }}>
          <Button variant="outlined" href={transcriptUrl(call.callSid, "txt")} download>
            {t.record.text}
          </Button>
          <Button variant="outlined" href={transcriptUrl(call.callSid, "json")} download>
            {t.record.json}
          </Button>
        </Box>
      </Box>
    </Box>
  );
}

function Figure(props: { name: string; value: ReactNode }) {
  return (
    <Box>
      <Typography component="dt" variant="caption" color="textSecondary">
        {props.name}
      </Typography>
      <Box component="dd" sx={{ m: 0, fontWeight: 600 }}>
        {props.value}
      </Box>
    </Box>
  );
}

/** `cachedInputTokens` → `cached input`. */
function spaced(kind: string): string {
  return kind
    .replace(/_/g, " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .replace(/ tokens$/, "");
}

const figures = {
  m: 0,
  display: "grid",
  gap: 1.5,
  gridTemplateColumns: "repeat(auto-fill, minmax(6rem, 1fr))",
} as const;
