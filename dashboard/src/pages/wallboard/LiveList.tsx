/** Every live call, one row each; only the rows in sight are drawn. */
import Box from "@mui/material/Box";
import useMediaQuery from "@mui/material/useMediaQuery";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useLayoutEffect, useRef, useState } from "react";
import {
  Direction,
  lastWords,
  lengthOf,
  otherParty,
  PhaseLabel,
  PhoneNumber,
  ReasonChip,
} from "../../app/parts";
import { follow, paths } from "../../app/router";
import { hidden } from "../../app/states";
import { useCall, useNow } from "../../live/index";
import { reasons } from "../../model/attention";
import { age } from "../../model/format";
import { t } from "../../texts";

const ROW = 62;
const TALL_ROW = 104;

export function LiveList(props: { sids: string[] }) {
  const wide = useMediaQuery("(min-width:900px)", { noSsr: true });
  const list = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  // What stands above the list may grow and shrink, and the list must know where it begins.
  useLayoutEffect(() => {
    const scroller = document.getElementById("content");
    if (!list.current || !scroller) return;
    const top = list.current.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    const begin = Math.round(top + scroller.scrollTop);
    if (begin !== margin) setMargin(begin);
  });
  const height = wide ? ROW : TALL_ROW;
  const rows = useVirtualizer({
    count: props.sids.length,
    getScrollElement: () => document.getElementById("content"),
    estimateSize: () => height,
    getItemKey: (at) => props.sids[at] ?? at,
    overscan: 6,
    scrollMargin: margin,
  });
  useLayoutEffect(() => {
    if (height > 0) rows.measure();
  }, [rows, height]);

  return (
    <>
      <Header wide={wide} />
      <Box
        ref={list}
        role="list"
        sx={{ position: "relative", height: rows.getTotalSize() }}
        data-count={props.sids.length}
      >
        {rows.getVirtualItems().map((row) => (
          <Box
            key={row.key}
            role="listitem"
            aria-setsize={props.sids.length}
            aria-posinset={row.index + 1}
            style={{ transform: `translateY(${row.start - margin}px)`, height }}
            sx={{ position: "absolute", top: 0, left: 0, right: 0 }}
          >
            <Row callSid={props.sids[row.index] ?? ""} at={row.index} wide={wide} />
          </Box>
        ))}
      </Box>
    </>
  );
}

function Header(props: { wide: boolean }) {
  if (!props.wide) {
    return (
      <Box component="h2" sx={{ ...headerText, m: 0, mb: 1 }}>
        {t.board.live}
      </Box>
    );
  }
  const { call, agent, phase, last, length } = t.columns;
  return (
    <Box sx={{ ...columns, ...headerText, pb: 0.75 }}>
      <span />
      <span>{call}</span>
      <span>{agent}</span>
      <span>{phase}</span>
      <span>{last}</span>
      <Box component="span" sx={{ textAlign: "right" }}>
        {length}
      </Box>
    </Box>
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
  const number = otherParty(call);
  const party = (
    <Box sx={{ display: "flex", alignItems: "center", gap: 1, fontWeight: 600 }}>
      <Direction direction={call.direction} />
      <PhoneNumber number={number} />
    </Box>
  );
  const chips = why.length > 0 && (
    <Box sx={{ display: "flex", gap: 0.75, overflow: "hidden" }}>
      <Box component="span" sx={hidden}>
        {t.board.needs}:
      </Box>
      {why.map((reason) => (
        <ReasonChip key={reason.kind} reason={reason} now={now} />
      ))}
    </Box>
  );
  const last = (
    <Box sx={line} dir="auto">
      {words.text && (
        <>
          <Box component="span" sx={{ color: "text.secondary" }}>
            {words.who}{" "}
          </Box>
          {/* The newest words are the end of a long text. */}
          {words.text.slice(-160)}
        </>
      )}
    </Box>
  );
  const shared = {
    href: path,
    "data-row": props.at,
    onClick: (event: React.MouseEvent<HTMLElement>) => follow(event, path),
  };
  const mark = <Box aria-hidden sx={{ ...attention, bgcolor: colourOf(why) }} />;
  const phase = (
    <Box sx={{ fontSize: "0.85rem" }}>
      <PhaseLabel phase={call.phase} />
      {props.wide && call.phaseSince > 0 && (
        <Box sx={{ color: "text.secondary", fontSize: "0.75rem", pl: 2.1 }}>
          {age(now - call.phaseSince)}
        </Box>
      )}
    </Box>
  );

  if (props.wide) {
    return (
      <Box component="a" {...shared} sx={[row, columns]}>
        {mark}
        {party}
        <Box sx={{ ...line, color: "text.secondary" }}>{call.agent || t.noAgent}</Box>
        {phase}
        <Box sx={{ minWidth: 0, display: "grid", gap: 0.4 }}>
          {chips}
          {last}
        </Box>
        <Box sx={{ textAlign: "right", fontWeight: 550 }}>{length}</Box>
      </Box>
    );
  }
  return (
    <Box component="a" {...shared} sx={[row, tall]}>
      {mark}
      <Box sx={{ minWidth: 0, flex: 1, display: "grid", gap: 0.5 }}>
        <Box sx={{ display: "flex", justifyContent: "space-between" }}>
          {party}
          <span>{length}</span>
        </Box>
        <Box sx={{ display: "flex", gap: 1.5, alignItems: "center", minWidth: 0 }}>
          {phase}
          <Box sx={{ ...line, color: "text.secondary", fontSize: "0.85rem" }}>{call.agent}</Box>
        </Box>
        {chips || last}
      </Box>
    </Box>
  );
});

function colourOf(why: { kind: string }[]): string {
  if (why.some(({ kind }) => kind === "question" || kind === "reply")) return "warning.main";
  return why.length > 0 ? "color-mix(in srgb, currentColor 30%, transparent)" : "transparent";
}

const columns = {
  display: "grid",
  columnGap: 2,
  alignItems: "center",
  gridTemplateColumns: "4px 168px 110px 142px minmax(0, 1fr) 64px",
  pr: 2,
} as const;

const headerText = { color: "text.secondary", fontSize: "0.75rem", fontWeight: 550 } as const;

const row = {
  boxSizing: "border-box",
  height: "calc(100% - 6px)",
  bgcolor: "background.paper",
  border: 1,
  borderColor: "divider",
  borderRadius: "10px",
  overflow: "hidden",
  color: "text.primary",
  textDecoration: "none",
  fontSize: "0.92rem",
  "&:hover": { borderColor: "text.secondary" },
  "&:focus-visible": { outline: 2, outlineColor: "primary.main", outlineOffset: -2 },
} as const;

const tall = { display: "flex", gap: 1.5, alignItems: "center", pr: 1.5 } as const;

const attention = { alignSelf: "stretch", width: 4, flex: "none" } as const;

const line = {
  minWidth: 0,
  overflow: "hidden",
  textOverflow: "ellipsis",
  whiteSpace: "nowrap",
} as const;
