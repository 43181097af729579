/** The calls that cannot go on without a supervisor, answered right here. */
import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import Paper from "@mui/material/Paper";
import Typography from "@mui/material/Typography";
import { useDeferredValue } from "react";
import { otherParty, PhoneNumber } from "../../components/callParts";
import { WaitingCards } from "../../components/WaitingCards";
import { follow, paths } from "../../lib/router";
import { useGradually } from "../../lib/useGradually";
import { useCall, useWaitingCalls } from "../../live/index";
import { waits } from "../../model/attention";
import { t } from "../../texts/index";

/** More than these are answered one after the other anyway. */
const SHOWN = 6;

export function AttentionQueue() {
  const waiting = useDeferredValue(useWaitingCalls());
  const shown = useGradually(Math.min(waiting.length, SHOWN), 1);
  return (
    <Box component="section" aria-label={t.board.needs}>
      <Typography variant="h2" sx={{ mb: 1 }}>
        {t.board.needs}
      </Typography>
      {waiting.length === 0 && (
        <Typography variant="body2" color="textSecondary">
          {t.board.nothingNeeded}
        </Typography>
      )}
      <Box sx={cards}>
        {waiting.slice(0, shown).map((sid) => (
          <Card key={sid} callSid={sid} />
        ))}
      </Box>
      {waiting.length > SHOWN && (
        <Typography variant="body2" color="textSecondary" sx={{ mt: 1 }}>
          {t.board.more(waiting.length - SHOWN)}
        </Typography>
      )}
    </Box>
  );
}

function Card(props: { callSid: string }) {
  const call = useCall(props.callSid);
  if (!call || !waits(call)) return null;
  const path = paths.call(call.callSid);
  return (
    <Paper variant="outlined" sx={card}>
      <Box sx={{ display: "flex", justifyContent: "space-between", gap: 2, mb: 0.5 }}>
        <Link href={path} onClick={(event) => follow(event, path)} underline="hover" sx={who}>
          <PhoneNumber number={otherParty(call)} />
        </Link>
        <Typography variant="caption" color="textSecondary">
          {call.agent}
        </Typography>
      </Box>
      <WaitingCards call={call} compact />
    </Paper>
  );
}

const cards = {
  display: "grid",
  gap: 1.5,
  alignItems: "start",
  gridTemplateColumns: "repeat(auto-fill, minmax(min(100%, 21rem), 1fr))",
} as const;

const card = { p: 2, borderColor: "warning.main" } as const;

const who = { color: "text.primary", fontWeight: 600, fontSize: "0.9rem" } as const;
