/**
 * What was said and done, in order, with the words being spoken at the end. It stays at the newest
 * entry while the reader is there, and never moves under a reader who has scrolled away.
 */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Paper from "@mui/material/Paper";
import Typography from "@mui/material/Typography";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { observeSize } from "../../lib/observeSize";
import { useGradually } from "../../lib/useGradually";
import { useKeys } from "../../lib/useKeys";
import type { Call, Item } from "../../model/call";
import { turnLatency } from "../../model/latency";
import { t } from "../../texts/index";
import { DownIcon } from "../icons";
import { visuallyHidden } from "../pageStates";
import { Chip, DraftEntry, InterimEntry, TurnEntry } from "./entries";

/** Closer to the end than this counts as being there. Pixels. */
const NEAR_END = 60;
/** How many more entries each frame draws, the newest first. */
const ENTRIES_PER_FRAME = 5;
/** Scrolling this soon after an input is the reader's own. Milliseconds. */
const INTENT_MS = 400;

export function Transcript(props: { call: Call; seq: number | undefined }) {
  const { call, seq } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const atEnd = useRef(seq === undefined);
  /** When the reader last used wheel, finger, key or scroll bar. */
  const touched = useRef(Number.NEGATIVE_INFINITY);
  const touch = () => {
    touched.current = performance.now();
  };
  /** Where the box stood and how tall its content was when it was last looked at. */
  const last = useRef({ top: 0, height: 0 });
  const [readTo, setReadTo] = useState<number>();

  const extra = (call.hearing ? 1 : 0) + (call.draft ? 1 : 0);
  const width = useRef(800);
  const entries = useVirtualizer<HTMLElement, Element>({
    count: call.items.length + extra,
    getScrollElement: () => scroller.current,
    observeElementRect: (instance, tell) =>
      observeSize(instance, (rect) => {
        width.current = rect.width;
        tell(rect);
      }),
    estimateSize: (at) => estimate(call.items[at], width.current),
    getItemKey: (at) =>
      call.items[at]?.id ?? (at === call.items.length && call.hearing ? "h" : "d"),
    overscan: 6,
    useFlushSync: false,
  });
  const drawn = entries.getVirtualItems();
  const shown = useGradually(drawn.length, ENTRIES_PER_FRAME);

  const toEnd = () => {
    atEnd.current = true;
    setReadTo(undefined);
    if (scroller.current) pin(scroller.current, last);
  };
  useKeys({ l: toEnd });

  // Entries are measured after they are drawn; whenever one grows, the end moves.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || !inner.current) return;
    const observer = new ResizeObserver(() => {
      if (atEnd.current) pin(box, last);
    });
    observer.observe(inner.current);
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  // A link from a search leads to its entry, once that entry is here.
  const target = seq === undefined ? -1 : call.items.findIndex((item) => item.seq === seq);
  const arrived = useRef(false);
  useEffect(() => {
    if (target < 0 || arrived.current) return;
    arrived.current = true;
    entries.scrollToIndex(target, { align: "center" });
  }, [target, entries]);

  const scrolled = () => {
    const box = scroller.current;
    if (!box) return;
    const { top, height } = last.current;
    last.current = { top: box.scrollTop, height: box.scrollHeight };
    const near = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
    // Entries that change their height move the content a little, too; a reader means to leave.
    const jump = top - box.scrollTop > box.clientHeight / 2 && box.scrollHeight === height;
    const leaves = !near && (jump || performance.now() - touched.current < INTENT_MS);
    if (atEnd.current ? !leaves : !near) return;
    atEnd.current = near;
    setReadTo(near ? undefined : call.items.length);
  };

  const fresh = readTo === undefined ? 0 : call.items.length - readTo;
  return (
    <Paper variant="outlined" component="section" aria-label={t.call.region} sx={frame}>
      {/* A region that scrolls must be reachable by keyboard. */}
      <Box
        ref={scroller}
        onScroll={scrolled}
        onWheel={touch}
        onTouchMove={touch}
        onPointerDown={touch}
        onKeyDown={touch}
        role="log"
        aria-live="off"
        tabIndex={0}
        sx={scroll}
      >
        {call.items.length + extra === 0 && (
          <Typography color="textSecondary" sx={{ p: 3 }}>
            {t.call.empty}
          </Typography>
        )}
        <Box ref={inner} sx={{ position: "relative" }} style={{ height: entries.getTotalSize() }}>
          {drawn.slice(-shown).map((entry) => (
            <div
              key={entry.key}
              ref={entries.measureElement}
              data-index={entry.index}
              style={{ ...placed, transform: `translateY(${entry.start}px)` }}
            >
              <Entry call={call} at={entry.index} found={entry.index === target} />
            </div>
          ))}
        </Box>
      </Box>
      {readTo !== undefined && (
        <Button
          variant="contained"
          size="small"
          startIcon={<DownIcon />}
          aria-label={fresh > 0 ? t.call.newLines(fresh) : t.call.latest}
          onClick={toEnd}
          sx={pill}
        >
          {fresh > 0 ? t.call.newLines(fresh) : t.call.latest}
        </Button>
      )}
      <Announcer call={call} />
    </Paper>
  );
}

/** About how tall an entry will be: the closer, the less moves when it is drawn and measured. */
function estimate(item: Item | undefined, width: number): number {
  if (item?.kind === "note") return 38;
  const letters = Math.max(20, Math.min(width * 0.76, 680) / 7.8);
  const lines = item ? Math.ceil((item.text.length + item.unheard.length) / letters) : 1;
  return 48 + Math.max(1, lines) * 23.3 + (item?.interrupted ? 22 : 0);
}

function pin(box: HTMLElement, last: { current: { top: number; height: number } }): void {
  box.scrollTop = box.scrollHeight;
  last.current = { top: box.scrollTop, height: box.scrollHeight };
}

function Entry(props: { call: Call; at: number; found: boolean }) {
  const { call, at } = props;
  const item = call.items[at];
  if (item?.kind === "note") return <Chip note={item} />;
  if (item) {
    const ms = item.turn === undefined ? undefined : turnLatency(call.latency[item.turn]);
    return <TurnEntry turn={item} latency={ms} found={props.found} />;
  }
  if (call.hearing && at === call.items.length) return <InterimEntry text={call.hearing} />;
  return call.draft ? <DraftEntry draft={call.draft} /> : null;
}

/** Reads each finished entry to a screen reader, once, but none from before the page was opened. */
function Announcer(props: { call: Call }) {
  const { items } = props.call;
  const seen = useRef(items.length);
  const [text, setText] = useState("");
  useEffect(() => {
    const fresh = items.slice(seen.current);
    seen.current = items.length;
    const turn = fresh.findLast((item) => item.kind === "turn");
    if (turn?.kind === "turn") setText(t.announce.said(t.call[turn.who], turn.text));
  }, [items]);
  return (
    <Box aria-live="polite" sx={visuallyHidden}>
      {text}
    </Box>
  );
}

const placed = { position: "absolute", top: 0, left: 0, right: 0 } as const;

const frame = {
  position: "relative",
  flex: 1,
  minHeight: 0,
  display: "flex",
  flexDirection: "column",
  overflow: "hidden",
} as const;

const scroll = {
  flex: 1,
  minHeight: 0,
  overflowY: "auto",
  overscrollBehavior: "contain",
  overflowAnchor: "none",
  py: 1.5,
  "&:focus-visible": { outline: 2, outlineColor: "primary.main", outlineOffset: -2 },
} as const;

const pill = {
  position: "absolute",
  bottom: 14,
  left: "50%",
  transform: "translateX(-50%)",
  borderRadius: 99,
} as const;
