/** Past calls: full-text search, filters, paging, and links to the turn that matched. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import MenuItem from "@mui/material/MenuItem";
import Paper from "@mui/material/Paper";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api } from "../../api/client";
import type { CallSummary } from "../../api/types";
import { Direction, otherParty, PhoneNumber } from "../../components/callParts";
import { Failed, Loading, Notice } from "../../components/pageStates";
import { follow, paths, remember } from "../../lib/router";
import { useDebounced } from "../../lib/useDebounced";
import { useKeys } from "../../lib/useKeys";
import { useNow } from "../../live/index";
import { clock, dateAndTime, dollars } from "../../model/format";
import { t } from "../../texts/index";
import { Export } from "./Export";

/** The outcomes of orders that did not become a call. */
const NO_CALL = ["refused", "failed", "unknown"] as const;
const SHOWN = ["all", "live", "ended", ...NO_CALL] as const;
type Show = (typeof SHOWN)[number];

const PAGE = "50";
const TYPING_MS = 250;

export default function History() {
  const [words, setWords] = useState(searchParam("q"));
  const [show, setShow] = useState<Show>(
    () => SHOWN.find((each) => each === searchParam("show")) ?? "all",
  );
  const [direction, setDirection] = useState(searchParam("direction"));
  const [agent, setAgent] = useState(searchParam("agent"));
  const [since, setSince] = useState(() => day(searchParam("since")));
  const q = useDebounced(words.trim(), TYPING_MS);
  // Coming back from a call, or following a link, shows the same list.
  useEffect(() => {
    const shown = show === "all" ? "" : show;
    remember(withoutEmpty({ q, show: shown, direction, agent, since }));
  });
  const field = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => field.current?.focus() });
  useEffect(() => field.current?.focus(), []);

  const wanted = withoutEmpty({
    q,
    ...queryOf(show),
    direction,
    agent,
    // A day in the local time zone, sent as an instant.
    since: since === "" ? "" : new Date(`${since}T00:00`).toISOString(),
  });
  const found = useInfiniteQuery({
    queryKey: ["calls", q, show, direction, agent, since],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = { ...wanted, limit: PAGE };
      return api.calls(pageParam === "" ? query : { ...query, cursor: pageParam }, signal);
    },
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: (before) => before,
  });
  const calls = found.data?.pages.flatMap((page) => page.calls) ?? [];

  return (
    <Box sx={{ px: { xs: 1.5, md: 3 }, pt: 0.75, pb: 3, display: "grid", gap: 2 }}>
      <Box sx={{ display: "flex", gap: 1.5, flexWrap: "wrap" }}>
        <TextField
          label={t.history.field}
          placeholder={t.history.hint}
          type="search"
          inputRef={field}
          value={words}
          onChange={(event) => setWords(event.target.value)}
          sx={{ flex: "1 1 16rem", maxWidth: "32.5rem" }}
        />
        <TextField
          select
          label={t.history.filter}
          value={show}
          onChange={(event) => setShow(event.target.value as Show)}
          sx={{ width: "9.5rem" }}
        >
          {SHOWN.map((choice) => (
            <MenuItem key={choice} value={choice}>
              {t.history[choice]}
            </MenuItem>
          ))}
        </TextField>
        <Choice
          label={t.history.direction}
          value={direction}
          onChange={setDirection}
          choices={DIRECTIONS}
        />
        <AgentChoice value={agent} onChange={setAgent} />
        <TextField
          type="date"
          label={t.history.since}
          value={since}
          onChange={(event) => setSince(event.target.value)}
          slotProps={{ inputLabel: { shrink: true } }}
          sx={{ width: "9.7rem" }}
        />
      </Box>
      {found.isPending && <Loading />}
      {found.isError && <Failed error={found.error} retry={found.refetch} />}
      {found.isSuccess && calls.length === 0 && (
        <Notice
          title={Object.keys(wanted).length === 0 ? t.history.noneYet : t.history.none}
          lead=""
        />
      )}
      {calls.length > 0 && (
        <>
          <Box sx={{ display: "flex", alignItems: "center", justifyContent: "space-between" }}>
            <Typography variant="caption" color="textSecondary" role="status">
              {"status" in wanted
                ? t.history.orders(calls.length, found.hasNextPage)
                : t.history.count(calls.length, found.hasNextPage)}
            </Typography>
            <Export wanted={wanted} />
          </Box>
          <Paper variant="outlined" component="ul" sx={{ m: 0, p: 0, listStyle: "none" }}>
            {calls.map((call) => (
              <HistoryEntry key={call.callSid ?? call.orderId} call={call} />
            ))}
          </Paper>
        </>
      )}
      {found.hasNextPage && (
        <Button
          onClick={() => void found.fetchNextPage()}
          disabled={found.isFetchingNextPage}
          sx={{ justifySelf: "center" }}
        >
          {t.history.more}
        </Button>
      )}
    </Box>
  );
}

const DIRECTIONS: [id: string, name: string][] = [
  ["inbound", t.direction.inbound],
  ["outbound", t.direction.outbound],
];

/** A choice of one value, or any. */
function Choice(props: {
  label: string;
  value: string;
  choices: [id: string, name: string][];
  onChange: (value: string) => void;
}) {
  return (
    <TextField
      select
      label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(event.target.value)}
      slotProps={{ select: { displayEmpty: true }, inputLabel: { shrink: true } }}
      sx={{ width: "8.75rem" }}
    >
      <MenuItem value="">{t.history.any}</MenuItem>
      {props.choices.map(([id, name]) => (
        <MenuItem key={id} value={id}>
          {name}
        </MenuItem>
      ))}
    </TextField>
  );
}

function AgentChoice(props: { value: string; onChange: (value: string) => void }) {
  const agents = useQuery({
    queryKey: ["agents"],
    queryFn: ({ signal }) => api.agents(signal),
    staleTime: 60_000,
    retry: false,
  });
  const choices = (agents.data ?? []).map(({ id }): [string, string] => [id, id]);
  return <Choice {...props} label={t.history.agent} choices={choices} />;
}

/** The query for these calls or orders. */
function queryOf(show: Show): Record<string, string> {
  switch (show) {
    case "all":
      return {};
    case "live":
    case "ended":
      return { live: String(show === "live") };
    case "refused":
    case "failed":
    case "unknown":
      return { status: show };
  }
}

/** A parameter of the page's address. */
function searchParam(name: string): string {
  return new URLSearchParams(location.search).get(name) ?? "";
}

/** A day as a date field has it; empty if it is not one. */
function day(text: string): string {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : "";
}

/** The query without its empty values. */
function withoutEmpty(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ""));
}

function HistoryEntry(props: { call: CallSummary }) {
  const { callSid } = props.call;
  return (
    <Box component="li" sx={{ "& + &": { borderTop: 1, borderColor: "divider" } }}>
      {callSid == null ? (
        <UnplacedOrder order={props.call} />
      ) : (
        <CallEntry call={props.call} callSid={callSid} />
      )}
    </Box>
  );
}

/** An order that did not become a call: there is no page to open, so everything is shown here. */
function UnplacedOrder(props: { order: CallSummary }) {
  const { order } = props;
  const now = useNow();
  const who = order.who ?? order.by ?? "";
  return (
    <Box sx={entry}>
      <Box sx={{ display: "flex", gap: 1, alignItems: "center", fontWeight: 600 }}>
        <Direction direction={order.direction} />
        <PhoneNumber number={order.to} />
      </Box>
      <Box sx={dim}>{dateAndTime(Date.parse(order.startedAt), now)}</Box>
      <Box sx={dim}>{order.scenario ?? order.agent}</Box>
      <Box sx={dim}>{order.rule?.replaceAll("_", " ") ?? order.status}</Box>
      <Box sx={{ ...dim, gridColumn: { md: "span 2" }, textAlign: { md: "right" } }}>
        {who === "" ? "" : t.history.orderedBy(who)}
      </Box>
      <Box dir="auto" sx={{ gridColumn: "1 / -1", ...dim, color: "text.primary" }}>
        {order.reason}
      </Box>
    </Box>
  );
}

function CallEntry(props: { call: CallSummary; callSid: string }) {
  const { call, callSid } = props;
  const now = useNow();
  const path = paths.call(callSid, call.match?.seq);
  const words = call.match?.text ?? "";
  const outcome = call.endReason ?? call.status;
  return (
    <Box
      component="a"
      href={path}
      onClick={(event) => follow(event, path)}
      sx={{ ...entry, "&:hover": { bgcolor: "sunken" } }}
    >
      <Box sx={{ display: "flex", gap: 1, alignItems: "center", fontWeight: 600 }}>
        <Direction direction={call.direction} />
        <PhoneNumber number={otherParty(call)} />
      </Box>
      <Box sx={dim}>{dateAndTime(Date.parse(call.startedAt ?? ""), now)}</Box>
      <Box sx={dim}>{call.agent}</Box>
      <Box sx={dim}>{outcome?.replaceAll("_", " ")}</Box>
      <Box sx={{ ...dim, textAlign: { md: "right" } }}>
        {call.durationMs == null ? "" : clock(call.durationMs)}
      </Box>
      <Box sx={{ ...dim, textAlign: { md: "right" } }}>
        {call.costUsd === undefined ? "" : dollars(call.costUsd)}
      </Box>
      {words && (
        <Box dir="auto" sx={{ gridColumn: "1 / -1", ...dim, color: "text.primary" }}>
          “{words}”
        </Box>
      )}
    </Box>
  );
}

const entry = {
  display: "grid",
  gridTemplateColumns: {
    xs: "1fr 1fr",
    md: "11.25rem 8.125rem 8.125rem minmax(0, 1fr) 4.375rem 5rem",
  },
  columnGap: 2,
  rowGap: 0.5,
  px: 2,
  py: 1.25,
  color: "text.primary",
  textDecoration: "none",
  fontSize: "0.9rem",
  "&:focus-visible": { outline: 2, outlineColor: "primary.main", outlineOffset: -2 },
} as const;

const dim = { color: "text.secondary", minWidth: 0, overflowWrap: "anywhere" } as const;
