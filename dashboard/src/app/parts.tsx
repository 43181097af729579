/** Small things that several pages show: a phone number, a phase, a reason, a length. */
import Box from "@mui/material/Box";
import { useState } from "react";
import type { Reason } from "../model/attention";
import type { Call, Phase } from "../model/call";
import { age, clock, grouped, masked } from "../model/format";
import { t } from "../texts";
import { InboundIcon, OutboundIcon } from "./icons";
import { useSettings } from "./settings";

/** The number that is not ours. */
export function otherParty(call: { from?: string; to?: string; direction?: string }): string {
  return (call.direction === "outbound" ? call.to : call.from) || call.from || call.to || "";
}

/** Hidden but for the last four digits until hovered, if the supervisor wants it so. */
export function PhoneNumber(props: { number: string }) {
  const { masked: hide } = useSettings();
  const [over, setOver] = useState(false);
  if (props.number === "") return <span>{t.unknownNumber}</span>;
  return (
    <Box
      component="span"
      data-number
      onMouseEnter={() => setOver(true)}
      onMouseLeave={() => setOver(false)}
      sx={{ whiteSpace: "nowrap", fontVariantNumeric: "tabular-nums" }}
    >
      {hide && !over ? masked(props.number) : grouped(props.number)}
    </Box>
  );
}

export function Direction(props: { direction: string | undefined }) {
  const outbound = props.direction === "outbound";
  const Icon = outbound ? OutboundIcon : InboundIcon;
  const label = outbound ? t.direction.outbound : t.direction.inbound;
  return <Icon titleAccess={label} sx={{ fontSize: 16, color: "text.secondary" }} />;
}

const PHASE_COLOUR: Record<Phase, string> = {
  starting: "text.secondary",
  listening: "text.secondary",
  caller: "info.main",
  thinking: "secondary.main",
  speaking: "primary.main",
  waiting: "warning.main",
  human: "warning.main",
  transferred: "text.secondary",
  ended: "text.secondary",
};

export function PhaseLabel(props: { phase: Phase }) {
  const lively = props.phase === "caller" || props.phase === "speaking";
  return (
    <Box
      component="span"
      sx={{ display: "inline-flex", alignItems: "center", gap: 0.9, whiteSpace: "nowrap" }}
    >
      <Box
        component="span"
        aria-hidden
        sx={{
          width: 8,
          height: 8,
          borderRadius: "50%",
          bgcolor: PHASE_COLOUR[props.phase],
          opacity: props.phase === "listening" || props.phase === "ended" ? 0.5 : 1,
          outline: lively ? "3px solid" : "none",
          outlineColor: "color-mix(in srgb, currentColor 14%, transparent)",
        }}
      />
      {t.phase[props.phase]}
    </Box>
  );
}

export function ReasonChip(props: { reason: Reason; now: number }) {
  const { kind, since } = props.reason;
  const urgent = kind === "question" || kind === "reply";
  return (
    <Box
      component="span"
      sx={{
        px: 0.9,
        py: 0.15,
        borderRadius: "6px",
        fontSize: "0.75rem",
        fontWeight: 600,
        whiteSpace: "nowrap",
        color: urgent ? "warning.contrastText" : "warning.main",
        bgcolor: urgent ? "warning.main" : "human",
      }}
    >
      {t.reason(kind, since === 0 ? 0 : props.now - since)}
    </Box>
  );
}

/** How long a call has lasted, or how long it was. */
export function lengthOf(call: Call, now: number): string {
  if (call.startedAt === 0) return "–";
  return clock(call.phase === "ended" ? call.durationMs : now - call.startedAt);
}

/** The newest words of a call, whoever said them. */
export function lastWords(call: Call): { who: string; text: string } {
  if (call.hearing !== "") return { who: t.call.caller, text: call.hearing };
  if (call.draft) return { who: t.call.ai, text: call.draft.text };
  for (let at = call.items.length - 1; at >= 0; at -= 1) {
    const item = call.items[at];
    if (item?.kind === "turn" && item.text !== "") {
      return { who: t.call[item.who], text: item.text };
    }
  }
  return { who: "", text: "" };
}

export function waitedText(since: number, now: number): string {
  return age(now - since);
}
