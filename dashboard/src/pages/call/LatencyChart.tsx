/** One column per turn with its stages side by side, and the budget as a horizontal rule. */
import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import { delay } from "../../model/format";
import { LATENCY_BUDGET_MS, percentile, stagesOf, turnLatency } from "../../model/latency";
import { t } from "../../texts/index";

const HEIGHT = 120;
const COLOURS = ["primary.main", "secondary.main", "warning.main", "info.main", "success.main"];
/** How many columns can be told apart; of longer calls the newest turns are shown. */
const COLUMNS = 48;

export function LatencyChart(props: { latency: Record<number, Record<string, number>> }) {
  const turns = Object.entries(props.latency).slice(-COLUMNS);
  const stages = stagesOf(props.latency);
  if (turns.length === 0) {
    return (
      <Typography variant="body2" color="textSecondary">
        {t.record.noLatency}
      </Typography>
    );
  }
  const most = Math.max(
    LATENCY_BUDGET_MS * 1.1,
    ...turns.map(([, at]) => Math.max(0, ...Object.values(at))),
  );
  const height = (ms: number) => `${Math.max(1, (ms / most) * HEIGHT)}px`;
  return (
    <Box>
      <Box role="img" aria-label={summary(props.latency)} sx={chart}>
        <Box sx={{ ...budget, bottom: height(LATENCY_BUDGET_MS) }}>
          <span>{t.board.budget(LATENCY_BUDGET_MS)}</span>
        </Box>
        {turns.map(([turn, at]) => (
          <Box key={turn} sx={column} title={titleOf(at)}>
            {stages.map((stage, index) => {
              const ms = at[stage];
              if (ms === undefined) return null;
              const bgcolor = COLOURS[index % COLOURS.length];
              return <Box key={stage} sx={{ ...bar, bgcolor }} style={{ height: height(ms) }} />;
            })}
          </Box>
        ))}
      </Box>
      <Box sx={{ display: "flex", flexWrap: "wrap", gap: 1.5, mt: 1, fontSize: "0.75rem" }}>
        {stages.map((stage, index) => (
          <Box key={stage} sx={{ display: "flex", alignItems: "center", gap: 0.6 }}>
            <Box
              aria-hidden
              sx={{
                width: 9,
                height: 9,
                borderRadius: "3px",
                bgcolor: COLOURS[index % COLOURS.length],
              }}
            />
            {stage.replaceAll("_", " ")}
          </Box>
        ))}
      </Box>
    </Box>
  );
}

function titleOf(stages: Record<string, number>): string {
  return Object.entries(stages)
    .map(([stage, ms]) => `${stage.replaceAll("_", " ")} ${delay(ms)}`)
    .join(", ");
}

function summary(latency: Record<number, Record<string, number>>): string {
  const all = Object.values(latency)
    .map(turnLatency)
    .filter((ms) => ms !== undefined);
  const p50 = percentile(all, 0.5) ?? 0;
  const p95 = percentile(all, 0.95) ?? 0;
  return `${t.record.chart(all.length)}: p50 ${delay(p50)}, p95 ${delay(p95)}`;
}

const chart = {
  position: "relative",
  height: HEIGHT,
  display: "flex",
  alignItems: "flex-end",
  gap: "4px",
  borderBottom: 1,
  borderColor: "divider",
} as const;

const column = {
  flex: 1,
  maxWidth: 40,
  display: "flex",
  alignItems: "flex-end",
  gap: "1px",
  minWidth: 0,
} as const;

const bar = { flex: 1, minWidth: 0, borderRadius: "3px 3px 0 0" } as const;

const budget = {
  position: "absolute",
  left: 0,
  right: 0,
  borderTop: "1px dashed",
  borderColor: "text.secondary",
  color: "text.secondary",
  fontSize: "0.68rem",
  textAlign: "right",
} as const;
