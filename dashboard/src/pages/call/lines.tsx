/** The kinds of line in a transcript. Whatever was said is text, never markup. */
import Box from "@mui/material/Box";
import { memo } from "react";
import type { CallEvent } from "../../api/events";
import type { Draft, Note, Speaker, Turn } from "../../model/call";
import { timeOfDay } from "../../model/format";
import { LATENCY_BUDGET_MS } from "../../model/latency";
import { authorText, chipText, t } from "../../texts";

export const TurnLine = memo(function TurnLine(props: {
  turn: Turn;
  latency: number | undefined;
  found: boolean;
}) {
  const { turn, latency } = props;
  const source = t.call.source[turn.source];
  const slow = latency !== undefined && latency > LATENCY_BUDGET_MS;
  return (
    <Bubble who={turn.who} found={props.found}>
      <Box sx={meta}>
        <Box component="span" sx={{ fontWeight: 650, color: "text.primary" }}>
          {t.call[turn.who]}
        </Box>
        {turn.who === "supervisor" && <span>{authorName(turn.by) || t.call.you}</span>}
        {source && <span>{source}</span>}
        <time>{timeOfDay(turn.at)}</time>
        {latency !== undefined && (
          <Box component="span" sx={{ color: slow ? "warning.main" : undefined }}>
            {t.call.latency(latency)}
          </Box>
        )}
      </Box>
      <Spoken text={turn.text} unheard={turn.unheard} />
      {turn.interrupted && (
        <Box component="span" sx={cut} title={t.call.cutHere}>
          {t.call.cut}
        </Box>
      )}
    </Bubble>
  );
});

export function DraftLine(props: { draft: Draft }) {
  const { text, heard, torn } = props.draft;
  const stop = heard === undefined ? text.length : cutAt(text, heard);
  return (
    <Bubble who="ai" faint>
      <Box sx={meta}>
        <Box component="span" sx={{ fontWeight: 650, color: "text.primary" }}>
          {t.call.ai}
        </Box>
        <span>{heard === undefined ? t.phase.speaking : t.call.cut}</span>
      </Box>
      <Spoken text={(torn ? t.call.torn : "") + text.slice(0, stop)} unheard={text.slice(stop)} />
    </Bubble>
  );
}

export function HearingLine(props: { text: string }) {
  return (
    <Bubble who="caller" faint>
      <Box sx={meta}>
        <Box component="span" sx={{ fontWeight: 650, color: "text.primary" }}>
          {t.call.caller}
        </Box>
        <span>{t.phase.caller}</span>
      </Box>
      <Box sx={{ ...words, color: "text.secondary", fontStyle: "italic" }} dir="auto">
        {props.text}
      </Box>
    </Bubble>
  );
}

export const Chip = memo(function Chip(props: { note: Note }) {
  const { event, at } = props.note;
  const { label, detail } = chipText(event);
  const by = authorName(event.by);
  const tone = toneOf(event);
  return (
    <Box sx={{ px: { xs: 1.5, md: 2.5 }, py: 0.6, display: "flex", justifyContent: "center" }}>
      <Box data-chip={event.type} sx={[chip, { borderColor: tone.border, color: tone.colour }]}>
        <Box component="span" sx={{ fontWeight: 650 }}>
          {label}
        </Box>
        {detail && (
          <Box component="span" dir="auto" sx={chipDetail}>
            {detail}
          </Box>
        )}
        <Box component="span" sx={{ color: "text.secondary", whiteSpace: "nowrap" }}>
          {[by, timeOfDay(at)].filter(Boolean).join(" · ")}
        </Box>
      </Box>
    </Box>
  );
});

function Bubble(props: {
  who: Speaker;
  faint?: boolean;
  found?: boolean;
  children: React.ReactNode;
}) {
  const caller = props.who === "caller";
  return (
    <Box
      sx={{
        px: { xs: 1.5, md: 2.5 },
        py: 0.6,
        display: "flex",
        justifyContent: caller ? "flex-start" : "flex-end",
      }}
    >
      <Box
        data-who={props.who}
        sx={{
          maxWidth: { xs: "88%", md: "min(76%, 680px)" },
          minWidth: 0,
          px: 1.75,
          py: 1,
          borderRadius: caller ? "4px 14px 14px 14px" : "14px 4px 14px 14px",
          bgcolor: { caller: "caller", ai: "ai", supervisor: "human" }[props.who],
          border: props.faint ? "1px dashed" : "1px solid",
          borderColor: props.found ? "primary.main" : props.faint ? "divider" : "transparent",
        }}
      >
        {props.children}
      </Box>
    </Box>
  );
}

/** What was heard, and struck through what was not. */
function Spoken(props: { text: string; unheard: string }) {
  return (
    <Box sx={words} dir="auto">
      {props.text}
      {props.unheard && (
        <Box component="del" sx={{ color: "text.secondary" }}>
          {props.unheard}
        </Box>
      )}
    </Box>
  );
}

function cutAt(text: string, heard: string): number {
  const trimmed = heard.trim().replace(/[—–…-]+$/u, "");
  return text.startsWith(trimmed) ? trimmed.length : text.length;
}

function authorName(by: string | undefined): string {
  return authorText(by);
}

function toneOf(event: CallEvent): { border: string; colour: string } {
  switch (event.type) {
    case "error":
      return { border: "error.main", colour: "error.main" };
    case "query":
    case "pending_response":
    case "takeover":
    case "command_rejected":
      return { border: "warning.main", colour: "warning.main" };
    case "command_executed":
    case "session_transfer":
    case "response_approved":
    case "query_response":
      return { border: "primary.main", colour: "primary.main" };
    default:
      return { border: "divider", colour: "text.primary" };
  }
}

const meta = {
  display: "flex",
  flexWrap: "wrap",
  columnGap: 1.25,
  fontSize: "0.74rem",
  color: "text.secondary",
  mb: 0.15,
} as const;

const words = {
  fontSize: "0.97rem",
  lineHeight: 1.5,
  whiteSpace: "pre-wrap",
  overflowWrap: "anywhere",
  unicodeBidi: "plaintext",
} as const;

const cut = {
  display: "inline-block",
  mt: 0.5,
  fontSize: "0.74rem",
  fontWeight: 600,
  color: "warning.main",
} as const;

const chip = {
  maxWidth: { xs: "100%", md: "80%" },
  "& > span:not(:last-child)": { mr: 1 },
  px: 1.4,
  py: 0.35,
  borderRadius: "12px",
  border: 1,
  bgcolor: "background.paper",
  fontSize: "0.78rem",
  lineHeight: 1.5,
} as const;

const chipDetail = {
  color: "text.primary",
  overflowWrap: "anywhere",
  unicodeBidi: "isolate",
} as const;
