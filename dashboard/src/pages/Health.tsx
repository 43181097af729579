/** Whether everything works, as the server says it, and what the doctor would do about it. */
import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import Paper from "@mui/material/Paper";
import Typography from "@mui/material/Typography";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api, type Finding } from "../api/client";
import { Failed, Loading } from "../app/states";
import { useLink } from "../live/index";
import { age } from "../model/format";
import { t } from "../texts";

const REFRESH_MS = 5_000;

export default function Health() {
  const link = useLink();
  const health = useQuery({
    queryKey: ["health"],
    queryFn: ({ signal }) => api.health(signal),
    refetchInterval: REFRESH_MS,
  });
  const ready = useQuery({
    queryKey: ["ready"],
    queryFn: ({ signal }) => api.ready(signal),
    refetchInterval: REFRESH_MS,
  });
  const version = useQuery({
    queryKey: ["version"],
    queryFn: ({ signal }) => api.version(signal),
    staleTime: 60_000,
    retry: false,
  });
  const doctor = useQuery({
    queryKey: ["doctor"],
    queryFn: ({ signal }) => api.doctor(signal),
    retry: false,
  });
  const notReady = [t.health.notReady, ready.data?.reason].filter(Boolean).join(": ");

  return (
    <Box sx={{ px: { xs: 1.5, md: 3 }, pt: 0.75, pb: 3, display: "grid", gap: 3, maxWidth: 900 }}>
      <Box component="section" aria-label={t.health.server}>
        <Typography variant="h2" sx={{ mb: 1.25 }}>
          {t.health.server}
        </Typography>
        <Paper variant="outlined">
          {health.isPending && <Loading />}
          {health.isError && <Failed error={health.error} retry={health.refetch} />}
          {health.data && (
            <Box component="dl" sx={{ m: 0 }}>
              <Fact name={t.health.status} good={health.data.status === "ok"}>
                {health.data.status}
              </Fact>
              {ready.data && (
                <Fact name={t.health.calls} good={ready.data.ready}>
                  {ready.data.ready ? t.health.ready : notReady}
                </Fact>
              )}
              <Fact name={t.health.stream} good={link.state === "live"}>
                {t.link[link.state]}
              </Fact>
              <Fact name={t.health.live}>{health.data.activeCalls}</Fact>
              <Fact name={t.health.uptime}>{age(health.data.uptime * 1000)}</Fact>
              {version.data && <Fact name={t.health.version}>{version.data}</Fact>}
            </Box>
          )}
        </Paper>
      </Box>
      <Box component="section" aria-label={t.health.doctor}>
        <Typography variant="h2" sx={{ mb: 1.25 }}>
          {t.health.doctor}
        </Typography>
        <Paper variant="outlined">
          {doctor.isPending && <Loading />}
          {doctor.isError && <Failed error={doctor.error} retry={doctor.refetch} />}
          {doctor.data?.length === 0 && <Typography sx={{ p: 2 }}>{t.health.healthy}</Typography>}
          {doctor.data?.map((finding) => (
            <FindingLine key={`${finding.name} ${finding.message}`} finding={finding} />
          ))}
        </Paper>
      </Box>
      <Box component="section" aria-label={t.health.more} sx={{ display: "flex", gap: 3 }}>
        <Link href="/metrics">{t.health.metrics}</Link>
        <Link href="/openapi.json">{t.health.openapi}</Link>
      </Box>
    </Box>
  );
}

function Fact(props: { name: string; good?: boolean; children: ReactNode }) {
  return (
    <Box sx={line}>
      <Typography component="dt" variant="body2" color="textSecondary" sx={{ width: 130 }}>
        {props.name}
      </Typography>
      <Box component="dd" sx={{ m: 0, display: "flex", gap: 1, alignItems: "center" }}>
        {props.good !== undefined && <Light tone={props.good ? "success" : "error"} />}
        {props.children}
      </Box>
    </Box>
  );
}

function FindingLine(props: { finding: Finding }) {
  const { finding } = props;
  return (
    <Box sx={{ ...line, alignItems: "start" }}>
      <Box sx={{ pt: 0.75 }}>
        <Light tone={toneOf(finding.status)} />
      </Box>
      <Box>
        <Typography variant="body2" sx={{ fontWeight: 600 }}>
          {finding.name}
        </Typography>
        <Typography variant="body2">{finding.message}</Typography>
        {finding.fix && (
          <Typography variant="body2" color="textSecondary">
            {finding.fix}
          </Typography>
        )}
      </Box>
    </Box>
  );
}

type Tone = "success" | "warning" | "error";

function toneOf(status: string | undefined): Tone {
  if (/^(ok|good|pass)/i.test(status ?? "")) return "success";
  return /^(warn|info|note)/i.test(status ?? "") ? "warning" : "error";
}

function Light(props: { tone: Tone }) {
  const bgcolor = `${props.tone}.main`;
  return (
    <Box aria-hidden sx={{ width: 8, height: 8, borderRadius: "50%", bgcolor, flex: "none" }} />
  );
}

const line = {
  display: "flex",
  gap: 2,
  alignItems: "center",
  px: 2,
  py: 1.25,
  "& + &": { borderTop: 1, borderColor: "divider" },
} as const;
