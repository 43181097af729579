/** The state of the server and its nodes, and the doctor's findings with their fixes. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Link from "@mui/material/Link";
import Paper from "@mui/material/Paper";
import Typography from "@mui/material/Typography";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api } from "../api/client";
import type { Finding, ServerNode } from "../api/types";
import { Failed, Loading } from "../components/pageStates";
import { useDoctor, useReady } from "../lib/queries";
import { useConnection, useNow } from "../live/index";
import { age } from "../model/format";
import { t } from "../texts/index";

const REFRESH_MS = 5_000;
/** A heartbeat more recent than this is shown as «just now». */
const JUST_NOW_MS = REFRESH_MS + 3_000;

export default function Health() {
  const connection = useConnection();
  const health = useQuery({
    queryKey: ["health"],
    queryFn: ({ signal }) => api.health(signal),
    refetchInterval: REFRESH_MS,
  });
  const ready = useReady(REFRESH_MS);
  const doctor = useDoctor();
  const report = doctor.data;
  const notReady = [t.health.notReady, ready.data?.reason].filter(Boolean).join(": ");

  return (
    <Box
      sx={{
        px: { xs: 1.5, md: 3 },
        pt: 0.75,
        pb: 3,
        display: "grid",
        gap: 3,
        maxWidth: "68.75rem",
      }}
    >
      <Section title={t.health.doctor}>
        {doctor.isPending && <Loading />}
        {doctor.isError && <Failed error={doctor.error} retry={doctor.refetch} />}
        {report?.findings.length === 0 && <Typography sx={{ p: 2 }}>{t.health.healthy}</Typography>}
        {worstFirst(report?.findings ?? []).map((finding) => (
          <FindingRow key={`${finding.id} ${finding.detail}`} finding={finding} />
        ))}
        {doctor.isSuccess && (
          <Box sx={{ ...row, py: 0.75 }}>
            <Button size="small" disabled={doctor.isFetching} onClick={() => void doctor.refetch()}>
              {doctor.isFetching ? t.health.looking : t.health.again}
            </Button>
          </Box>
        )}
      </Section>
      <NodeList />
      <Box sx={columns}>
        <Section title={t.health.server}>
          {health.isPending && <Loading />}
          {health.isError && <Failed error={health.error} retry={health.refetch} />}
          {health.data && (
            <Facts>
              <Fact name={t.health.status} good={health.data.status === "ok"}>
                {health.data.status}
              </Fact>
              {ready.data && (
                <Fact name={t.health.calls} good={ready.data.ready}>
                  {ready.data.ready ? t.health.ready : notReady}
                </Fact>
              )}
              <Fact name={t.health.stream} good={connection.state === "live"}>
                {t.connection[connection.state]}
              </Fact>
              <Fact name={t.health.live}>{health.data.activeCalls}</Fact>
              <Fact name={t.health.uptime}>{age(health.data.uptime * 1000)}</Fact>
            </Facts>
          )}
        </Section>
        {report && (
          <>
            <Section title={t.health.versions}>
              <Facts>
                <Fact name={t.product}>{report.versions.phony}</Fact>
                <Fact name={t.health.model}>{report.versions.model}</Fact>
              </Facts>
            </Section>
            <Section title={t.health.node}>
              <Facts>
                <Fact name={t.health.host}>{report.node.host}</Fact>
                <Fact name={t.health.store}>{report.node.store}</Fact>
                <Fact name={t.health.folder}>{report.node.dataDir}</Fact>
                <Fact name={t.health.machine}>
                  {t.health.machineIs(report.node.platform, report.node.cpus)}
                </Fact>
                <Fact name={t.health.live}>{report.node.activeCalls}</Fact>
              </Facts>
            </Section>
            <Section title={t.health.limits}>
              <Facts>
                <Fact name={t.health.hours}>{report.limits.callingHours}</Fact>
                <Fact name={t.health.dialRate}>{t.health.perMinute(report.limits.dialRate)}</Fact>
                <Fact name={t.health.apiRate}>{t.health.perMinute(report.limits.apiRate)}</Fact>
                <Fact name={t.health.longest}>{age(report.limits.maxCallSeconds * 1000)}</Fact>
                <Fact name={t.health.approval}>
                  {report.limits.requireSupervisorFeedback ? t.health.everyReply : t.health.byAgent}
                </Fact>
              </Facts>
            </Section>
          </>
        )}
      </Box>
      <Box component="section" aria-label={t.health.more} sx={{ display: "flex", gap: 3 }}>
        <Link href="/metrics">{t.health.metrics}</Link>
        <Link href="/openapi.json">{t.health.openapi}</Link>
      </Box>
    </Box>
  );
}

/** The servers that share the store; with the embedded store only this one. */
function NodeList() {
  const nodes = useQuery({
    queryKey: ["nodes"],
    queryFn: ({ signal }) => api.nodes(signal),
    refetchInterval: REFRESH_MS,
    retry: false,
  });
  const now = useNow();
  return (
    <Section title={t.health.nodes}>
      {nodes.isPending && <Loading />}
      {nodes.isError && <Failed error={nodes.error} retry={nodes.refetch} />}
      {nodes.data?.incomplete && (
        <Typography variant="body2" role="status" sx={{ ...row, color: "error.main" }}>
          {t.health.nodesMissing}
        </Typography>
      )}
      {nodes.data && (
        <Box role="table" aria-label={t.health.nodes}>
          <Box role="row" sx={{ ...nodeRow, ...nodeHead }}>
            {t.health.nodeColumns.map((column) => (
              <Box key={column} role="columnheader">
                {column}
              </Box>
            ))}
          </Box>
          {nodes.data.nodes.map((node) => (
            <NodeRow key={node.name} node={node} now={now} />
          ))}
        </Box>
      )}
    </Section>
  );
}

const NODE_TONE = {
  ready: "success",
  draining: "warning",
  not_ready: "error",
  silent: "error",
} as const;

/** Columns whose cells need a label where the column names are hidden. */
const LABELLED = [2, 3];

function NodeRow(props: { node: ServerNode; now: number }) {
  const { name, machine, port, state, reason, version, activeCalls, startedAt, lastSeen } =
    props.node;
  const up = props.now - Date.parse(startedAt);
  const seen = props.now - Date.parse(lastSeen);
  const cells = [
    t.health.runs(activeCalls),
    `${t.product} ${version}`,
    t.health.since(state === "silent" ? undefined : up),
    seen < JUST_NOW_MS ? t.health.justNow : t.health.ago(seen),
  ];
  return (
    <Box role="row" sx={nodeRow} data-node={name} data-state={state}>
      <Box role="cell" sx={{ minWidth: 0, overflowWrap: "anywhere" }}>
        <Box sx={{ fontWeight: 600 }}>{`${machine ?? name}:${port}`}</Box>
        <Box sx={{ color: "text.secondary", fontSize: "0.75rem" }}>
          {props.node.this ? t.health.thisNode(name) : name}
        </Box>
      </Box>
      <Box role="cell" sx={{ minWidth: 0 }}>
        <Box sx={{ display: "flex", gap: 1, alignItems: "center" }}>
          <StatusDot tone={NODE_TONE[state]} label="" />
          {t.health.nodeState[state]}
        </Box>
        {reason && (
          <Box sx={{ color: "text.secondary", fontSize: "0.75rem", overflowWrap: "anywhere" }}>
            {reason}
          </Box>
        )}
      </Box>
      {cells.map((text, at) => (
        <Box key={t.health.nodeColumns[at + 2]} role="cell" sx={{ color: "text.secondary" }}>
          {LABELLED.includes(at) && (
            <Box component="span" sx={{ display: { md: "none" } }}>
              {`${t.health.nodeColumns[at + 2]}: `}
            </Box>
          )}
          {text}
        </Box>
      ))}
    </Box>
  );
}

const RANK = { fail: 0, warn: 1, ok: 2 } as const;

function worstFirst(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => RANK[a.level] - RANK[b.level]);
}

function Section(props: { title: string; children: ReactNode }) {
  return (
    <Box component="section" aria-label={props.title} sx={{ minWidth: 0 }}>
      <Typography variant="h2" sx={{ mb: 1.25 }}>
        {props.title}
      </Typography>
      <Paper variant="outlined">{props.children}</Paper>
    </Box>
  );
}

function Facts(props: { children: ReactNode }) {
  return (
    <Box component="dl" sx={{ m: 0 }}>
      {props.children}
    </Box>
  );
}

function Fact(props: { name: string; good?: boolean; children: ReactNode }) {
  return (
    <Box sx={row}>
      <Typography
        component="dt"
        variant="body2"
        color="textSecondary"
        sx={{ width: "8.125rem", flex: "none" }}
      >
        {props.name}
      </Typography>
      <Box component="dd" sx={value}>
        {props.good !== undefined && (
          <StatusDot
            tone={props.good ? "success" : "error"}
            label={t.health.level[props.good ? "ok" : "fail"]}
          />
        )}
        {props.children}
      </Box>
    </Box>
  );
}

function FindingRow(props: { finding: Finding }) {
  const { title, detail, mend, level } = props.finding;
  return (
    <Box sx={{ ...row, alignItems: "start" }}>
      <Box sx={{ pt: 0.75 }}>
        <StatusDot tone={TONE[level]} label={t.health.level[level]} />
      </Box>
      <Box sx={{ minWidth: 0, overflowWrap: "anywhere" }}>
        <Typography variant="body2" sx={{ fontWeight: 600 }}>
          {title}
        </Typography>
        <Typography variant="body2">{detail}</Typography>
        {mend && (
          <Typography variant="body2" color="textSecondary">
            {mend}
          </Typography>
        )}
      </Box>
    </Box>
  );
}

type Tone = "success" | "warning" | "error";

const TONE = { ok: "success", warn: "warning", fail: "error" } as const;

/** A coloured dot, with a label unless the words beside it say the same. */
function StatusDot(props: { tone: Tone; label: string }) {
  const bgcolor = `${props.tone}.main`;
  const said = props.label !== "";
  return (
    <Box
      role={said ? "img" : undefined}
      aria-label={said ? props.label : undefined}
      aria-hidden={said ? undefined : true}
      sx={{ width: "0.5rem", height: "0.5rem", borderRadius: "50%", bgcolor, flex: "none" }}
    />
  );
}

const row = {
  display: "flex",
  gap: 2,
  alignItems: "center",
  px: 2,
  py: 1.25,
  "& + &": { borderTop: 1, borderColor: "divider" },
} as const;

const nodeRow = {
  ...row,
  display: "grid",
  alignItems: "start",
  columnGap: 2,
  rowGap: 0.5,
  fontSize: "0.85rem",
  gridTemplateColumns: {
    xs: "1fr 1fr",
    md: "minmax(0, 1.6fr) minmax(0, 1.6fr) repeat(4, minmax(0, 1fr))",
  },
} as const;

const nodeHead = {
  display: { xs: "none", md: "grid" },
  py: 0.75,
  color: "text.secondary",
  fontSize: "0.75rem",
} as const;

const value = {
  m: 0,
  display: "flex",
  gap: 1,
  alignItems: "center",
  minWidth: 0,
  fontSize: "0.9rem",
  overflowWrap: "anywhere",
} as const;

const columns = {
  display: "grid",
  gap: 3,
  alignItems: "start",
  gridTemplateColumns: { xs: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" },
} as const;
