/** The kinds of entry in a transcript. What was said is shown as text, never as markup. */
import { memo, type ReactNode } from "react";
import type { CallEvent } from "../../api/events";
import { afterHeard, type Draft, type Note, type Speaker, type Turn } from "../../model/call";
import { timeOfDay } from "../../model/format";
import { LATENCY_BUDGET_MS } from "../../model/latency";
import { authorText, chipText, t } from "../../texts/index";
import css from "./entries.module.css";

export const TurnEntry = memo(function TurnEntry(props: {
  turn: Turn;
  latency: number | undefined;
  found: boolean;
}) {
  const { turn, latency } = props;
  const source = t.call.source[turn.source];
  const slow = latency !== undefined && latency > LATENCY_BUDGET_MS;
  return (
    <Bubble who={turn.who} found={props.found}>
      <div className={css.meta}>
        <span className={css.who}>{t.call[turn.who]}</span>
        {turn.who === "supervisor" && named(turn.by) && <span>{authorText(turn.by)}</span>}
        {source && <span>{source}</span>}
        <time>{timeOfDay(turn.at)}</time>
        {latency !== undefined && (
          <span className={slow ? css.slow : undefined}>{t.call.latency(latency)}</span>
        )}
      </div>
      <Spoken text={turn.text} unheard={turn.unheard} />
      {turn.interrupted && (
        <span className={css.cut} title={t.call.cutHere}>
          {t.call.cut}
        </span>
      )}
    </Bubble>
  );
});

/** Whether the event names the supervisor. */
function named(by: string): boolean {
  return by !== "" && by !== "supervisor";
}

export function DraftEntry(props: { draft: Draft }) {
  const { text, heard, beginningMissed, played } = props.draft;
  const unheard = heard === undefined ? "" : afterHeard(text, heard);
  const coming = heard === undefined && text.startsWith(played) ? text.slice(played.length) : "";
  return (
    <Bubble who="ai" faint>
      <div className={css.meta}>
        <span className={css.who}>{t.call.ai}</span>
        <span>{heard === undefined ? t.phase.speaking : t.call.cut}</span>
      </div>
      <Spoken
        text={
          (beginningMissed ? t.call.beginningMissed : "") +
          text.slice(0, text.length - (unheard || coming).length)
        }
        coming={coming}
        unheard={unheard}
      />
    </Bubble>
  );
}

export function InterimEntry(props: { text: string }) {
  return (
    <Bubble who="caller" faint>
      <div className={css.meta}>
        <span className={css.who}>{t.call.caller}</span>
        <span>{t.phase.caller}</span>
      </div>
      <div className={`${css.words} ${css.partial}`} dir="auto">
        {props.text}
      </div>
    </Bubble>
  );
}

export const Chip = memo(function Chip(props: { note: Note }) {
  const { event, at } = props.note;
  const { label, detail } = chipText(event);
  const by = authorText(event.by);
  return (
    <div className={css.side} data-side="middle">
      <div className={css.chip} data-chip={event.type} data-tone={toneOf(event)}>
        <span className={css.label}>{label}</span>
        {detail && (
          <span className={css.detail} dir="auto">
            {detail}
          </span>
        )}
        <span className={css.by}>{[by, timeOfDay(at)].filter(Boolean).join(" · ")}</span>
      </div>
    </div>
  );
});

function Bubble(props: { who: Speaker; faint?: boolean; found?: boolean; children: ReactNode }) {
  return (
    <div className={css.side} data-side={props.who === "caller" ? "left" : "right"}>
      <div
        className={css.bubble}
        data-who={props.who}
        data-faint={props.faint}
        data-found={props.found}
      >
        {props.children}
      </div>
    </div>
  );
}

/** What was heard, what is still to be heard, and, struck through, what never was. */
function Spoken(props: { text: string; coming?: string; unheard: string }) {
  return (
    <div className={css.words} dir="auto">
      {props.text}
      {props.coming && <span className={css.coming}>{props.coming}</span>}
      {props.unheard && <del>{props.unheard}</del>}
    </div>
  );
}

function toneOf(event: CallEvent): "bad" | "warn" | "done" | undefined {
  switch (event.type) {
    case "error":
      return "bad";
    case "query":
    case "pending_response":
    case "takeover":
    case "takeover_unattended":
    case "command_rejected":
      return "warn";
    case "command_executed":
    case "session_transfer":
    case "response_approved":
    case "query_response":
      return "done";
    default:
      return undefined;
  }
}
