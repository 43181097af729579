/** Every live call, one row each; only the rows in sight are drawn. */
import useMediaQuery from "@mui/material/useMediaQuery";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";
import {
  Direction,
  lastWords,
  lengthOf,
  otherParty,
  PhaseLabel,
  PhoneNumber,
  ReasonChip,
} from "../../components/callParts";
import { visuallyHidden } from "../../components/pageStates";
import { observeSize } from "../../lib/observeSize";
import { follow, paths } from "../../lib/router";
import { useGradually } from "../../lib/useGradually";
import { useCall, useNow } from "../../live/index";
import { isUrgent, type Reason, reasons } from "../../model/attention";
import { age } from "../../model/format";
import { t } from "../../texts/index";
import css from "./LiveList.module.css";

/** Heights of a row in rem: on a wall the letters are larger. */
const ROW = 3.875;
const TALL_ROW = 6.5;
/** So many rows more are drawn with every frame. */
const ROWS_AT_ONCE = 4;

export function LiveList(props: { sids: string[] }) {
  const wide = useMediaQuery("(min-width:900px)", { noSsr: true });
  const list = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  // What stands above the list may grow and shrink, and the list must know where it begins.
  useEffect(() => {
    const scroller = document.getElementById("content");
    const begin = list.current;
    if (!begin || !scroller) return;
    const observer = new ResizeObserver(() => {
      const top = begin.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
      setMargin(Math.round(top + scroller.scrollTop));
    });
    // Whatever stands above is a child of the page, and so is the list.
    const page = begin.closest("section")?.parentElement;
    for (const part of page?.children ?? []) observer.observe(part);
    return () => observer.disconnect();
  }, []);
  const height = Math.round((wide ? ROW : TALL_ROW) * useLetterSize());
  const rows = useVirtualizer({
    count: props.sids.length,
    getScrollElement: () => document.getElementById("content"),
    estimateSize: () => height,
    getItemKey: (at) => props.sids[at] ?? at,
    observeElementRect: observeSize,
    overscan: 6,
    useFlushSync: false,
    scrollMargin: margin,
  });
  useLayoutEffect(() => {
    if (height > 0) rows.measure();
  }, [rows, height]);
  const drawn = rows.getVirtualItems();
  const shown = useGradually(drawn.length, ROWS_AT_ONCE);

  return (
    <>
      <Header wide={wide} />
      {/* biome-ignore lint/a11y/useSemanticElements: its items are placed by hand. */}
      <div
        ref={list}
        role="list"
        className={css.list}
        style={{ height: rows.getTotalSize() }}
        data-count={props.sids.length}
      >
        {drawn.slice(0, shown).map((row) => (
          // biome-ignore lint/a11y/useSemanticElements: see above.
          <div
            key={row.key}
            role="listitem"
            aria-setsize={props.sids.length}
            aria-posinset={row.index + 1}
            className={css.item}
            style={{ transform: `translateY(${row.start - margin}px)`, height }}
          >
            <Row callSid={props.sids[row.index] ?? ""} at={row.index} wide={wide} />
          </div>
        ))}
      </div>
    </>
  );
}

/** The page's font size in pixels. It depends on the width of the window alone. */
function useLetterSize(): number {
  return useSyncExternalStore(onResize, letterSize);
}

let measured = { width: 0, size: 16 };

function letterSize(): number {
  if (measured.width !== innerWidth) {
    const size = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    measured = { width: innerWidth, size: size || 16 };
  }
  return measured.size;
}

function onResize(listener: () => void): () => void {
  window.addEventListener("resize", listener);
  return () => window.removeEventListener("resize", listener);
}

function Header(props: { wide: boolean }) {
  if (!props.wide) return <h2 className={css.header}>{t.board.live}</h2>;
  const { call, agent, phase, last, length } = t.columns;
  return (
    <div className={`${css.columns} ${css.header}`}>
      <span />
      <span>{call}</span>
      <span>{agent}</span>
      <span>{phase}</span>
      <span>{last}</span>
      <span className={css.length}>{length}</span>
    </div>
  );
}

const Row = memo(function Row(props: { callSid: string; at: number; wide: boolean }) {
  const call = useCall(props.callSid);
  const now = useNow();
  if (!call) return null;
  const why = reasons(call, now);
  const words = lastWords(call);
  const length = lengthOf(call, now);
  const path = paths.call(call.callSid);
  const party = (
    <div className={css.party}>
      <Direction direction={call.direction} />
      <PhoneNumber number={otherParty(call)} />
    </div>
  );
  const chips = why.length > 0 && (
    <div className={css.reasons}>
      <span style={visuallyHidden}>{t.board.needs}:</span>
      {why.map((reason) => (
        <ReasonChip key={reason.kind} reason={reason} now={now} />
      ))}
    </div>
  );
  const last = (
    <div className={css.truncated} dir="auto">
      {words.text && (
        <>
          <span className={css.dim}>{words.who} </span>
          {words.text}
        </>
      )}
    </div>
  );
  const shared = {
    href: path,
    "data-row": props.at,
    onClick: (event: React.MouseEvent<HTMLElement>) => follow(event, path),
  };
  const mark = <div aria-hidden className={css.mark} data-level={levelOf(why)} />;

  if (props.wide) {
    return (
      <a {...shared} className={`${css.row} ${css.columns}`}>
        {mark}
        {party}
        <div className={`${css.truncated} ${css.dim}`}>{call.agent || t.noAgent}</div>
        <div className={css.phase}>
          <PhaseLabel phase={call.phase} />
          {call.phaseSince > 0 && <div className={css.age}>{age(now - call.phaseSince)}</div>}
        </div>
        <div className={css.last}>
          {chips}
          {last}
        </div>
        <div className={css.length}>{length}</div>
      </a>
    );
  }
  return (
    <a {...shared} className={`${css.row} ${css.tall}`}>
      {mark}
      <div className={css.tallBody}>
        <div className={css.between}>
          {party}
          <span className={css.length}>{length}</span>
        </div>
        <div className={css.beside}>
          <PhaseLabel phase={call.phase} />
          <span className={`${css.truncated} ${css.dim}`}>{call.agent}</span>
        </div>
        {chips || last}
      </div>
    </a>
  );
});

function levelOf(why: Reason[]): "urgent" | "some" | undefined {
  if (why.some(({ kind }) => isUrgent(kind))) return "urgent";
  return why.length > 0 ? "some" : undefined;
}
