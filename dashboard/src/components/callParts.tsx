/** Parts of a call that several pages show: phone number, phase, reason, length. */
import { useState } from "react";
import { useSettings } from "../lib/settings";
import { isUrgent, type Reason } from "../model/attention";
import type { Call, Phase } from "../model/call";
import { clock, grouped, masked } from "../model/format";
import { t } from "../texts/index";
import css from "./callParts.module.css";

/** The number at the other end of the call. */
export function otherParty(call: { from?: string; to?: string; direction?: string }): string {
  return (call.direction === "outbound" ? call.to : call.from) || call.from || call.to || "";
}

/** A phone number, masked until hovered if the supervisor has chosen so. */
export function PhoneNumber(props: { number: string }) {
  const { masked: hide } = useSettings();
  const [over, setOver] = useState(false);
  if (props.number === "") return <span>{t.unknownNumber}</span>;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: pointing only unmasks; a button does it for all.
    <span
      className={css.number}
      onMouseEnter={() => setOver(true)}
      onMouseLeave={() => setOver(false)}
    >
      {hide && !over ? masked(props.number) : grouped(props.number)}
    </span>
  );
}

export function Direction(props: { direction: string | undefined }) {
  const outbound = props.direction === "outbound";
  const label = outbound ? t.direction.outbound : t.direction.inbound;
  return (
    <svg className={css.direction} viewBox="0 0 24 24" role="img" aria-label={label}>
      <path d={outbound ? "M5 19 17 7M8 7h9v9" : "M19 5 7 17M7 8v9h9"} />
    </svg>
  );
}

export function PhaseLabel(props: { phase: Phase }) {
  return (
    <span className={css.phase}>
      <span className={css.dot} data-phase={props.phase} aria-hidden />
      {t.phase[props.phase]}
    </span>
  );
}

export function ReasonChip(props: { reason: Reason; now: number }) {
  const { kind, since } = props.reason;
  return (
    <span className={css.reason} data-urgent={isUrgent(kind)}>
      {t.reason(kind, since === 0 ? 0 : props.now - since)}
    </span>
  );
}

/** How long a call has lasted so far, or lasted in all. */
export function lengthOf(call: Call, now: number): string {
  if (call.startedAt === 0) return "–";
  return clock(call.phase === "ended" ? call.durationMs : now - call.startedAt);
}

/** The newest words of a call, whoever said them. */
export function lastWords(call: Call): { who: string; text: string } {
  if (call.hearing !== "") return { who: t.call.caller, text: ending(call.hearing) };
  if (call.draft) return { who: t.call.ai, text: ending(call.draft.text) };
  for (let at = call.items.length - 1; at >= 0; at -= 1) {
    const item = call.items[at];
    if (item?.kind === "turn" && item.text !== "") {
      return { who: t.call[item.who], text: item.text };
    }
  }
  return { who: "", text: "" };
}

/** The end of a growing text, where the newest words are. */
function ending(text: string): string {
  if (text.length <= SHOWN) return text;
  const cut = text.slice(-SHOWN);
  return `… ${cut.slice(cut.indexOf(" ") + 1)}`;
}

/** How many characters fit into a row. */
const SHOWN = 80;
