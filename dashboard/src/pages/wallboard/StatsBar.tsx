/** The figures above the wallboard, updated once a second. */
import Box from "@mui/material/Box";
import Paper from "@mui/material/Paper";
import Tooltip from "@mui/material/Tooltip";
import Typography from "@mui/material/Typography";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api } from "../../api/client";
import { useDoctor, useReady } from "../../lib/queries";
import { store, useSummaryNow } from "../../live/index";
import { delay } from "../../model/format";
import { LATENCY_BUDGET_MS } from "../../model/latency";
import { type Condition, conditions, stats } from "../../model/stats";
import { t } from "../../texts/index";

const READY_MS = 15_000;

export function StatsBar() {
  const now = useSummaryNow();
  const figures = stats(store.values(), now);
  const stored = useToday(now);
  const ready = useReady(READY_MS);
  const doctor = useDoctor();
  const subsystems = conditions(figures, ready.data?.reason ?? "", doctor.data?.findings ?? []);
  const calls = Math.max(figures.today, stored.calls);
  const cost = Math.max(figures.costToday, stored.cost);
  const slow = figures.p95 !== undefined && figures.p95 > LATENCY_BUDGET_MS;
  return (
    <Paper variant="outlined" sx={bar}>
      <Figure name={t.board.live} value={figures.live} />
      <Figure
        name={t.board.needs}
        value={figures.waiting}
        note={figures.waiting > 0 ? t.board.oldest(now - figures.oldest) : t.board.none}
        colour={figures.waiting > 0 ? "warning.main" : undefined}
      />
      <Figure name={t.board.today} value={calls} />
      <Figure name={t.board.cost} value={`$${cost.toFixed(2)}`} />
      <Figure
        name={t.board.p95}
        value={figures.p95 === undefined ? "–" : delay(figures.p95)}
        note={figures.p95 === undefined ? t.board.noLatency : t.board.budget(LATENCY_BUDGET_MS)}
        colour={slow ? "warning.main" : undefined}
      />
      <Figure
        name={t.board.health}
        value={
          <Box sx={{ display: "flex", flexDirection: "column", gap: 0.1, fontSize: "0.8rem" }}>
            <Subsystem name={t.board.parts.model} condition={subsystems.model} />
            <Subsystem name={t.board.parts.carrier} condition={subsystems.carrier} />
            <Subsystem name={t.board.parts.store} condition={subsystems.store} />
          </Box>
        }
      />
    </Paper>
  );
}

/** Today's calls and their cost from the store, which has more than this page has seen. */
function useToday(now: number): { calls: number; cost: number } {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const today = useQuery({
    queryKey: ["today", midnight],
    queryFn: ({ signal }) => api.calls({ limit: "200" }, signal),
    refetchInterval: 60_000,
    retry: false,
  });
  const calls = (today.data?.calls ?? []).filter(
    (call) => Date.parse(call.startedAt ?? "") >= midnight,
  );
  return {
    calls: calls.length,
    cost: calls.reduce((sum, call) => sum + (call.costUsd ?? 0), 0),
  };
}

function Figure(props: { name: string; value: ReactNode; note?: string; colour?: string }) {
  return (
    <Box sx={{ px: { xs: 1.25, md: 2.5 }, py: 1.5, minWidth: 0 }}>
      <Typography variant="caption" color="textSecondary" component="div" noWrap>
        {props.name}
      </Typography>
      <Box
        sx={{
          fontSize: "1.55rem",
          lineHeight: 1.25,
          fontWeight: 620,
          letterSpacing: "-0.02em",
          color: props.colour ?? "text.primary",
        }}
      >
        {props.value}
      </Box>
      <Typography variant="caption" color="textSecondary" component="div" noWrap>
        {props.note}
      </Typography>
    </Box>
  );
}

const COLOUR: Record<Condition, string> = {
  good: "success.main",
  trouble: "error.main",
  unknown: "divider",
};

function Subsystem(props: { name: string; condition: Condition }) {
  const words = t.board.condition[props.condition];
  return (
    <Tooltip title={`${props.name}: ${words}`} placement="left">
      <Box sx={{ display: "flex", gap: 1, alignItems: "center", fontWeight: 500, lineHeight: 1.4 }}>
        <Box
          role="img"
          aria-label={words}
          sx={{
            width: "0.5rem",
            height: "0.5rem",
            borderRadius: "50%",
            bgcolor: COLOUR[props.condition],
          }}
        />
        {props.name}
      </Box>
    </Tooltip>
  );
}

const bar = {
  display: "grid",
  gridTemplateColumns: { xs: "repeat(3, minmax(0, 1fr))", md: "repeat(6, minmax(0, 1fr))" },
  "& > * + *": { borderLeft: { md: 1 }, borderColor: { md: "divider" } },
} as const;
