/** One call: the transcript as it happens and the supervisor’s controls; once ended, its record. */
import Box from "@mui/material/Box";
import IconButton from "@mui/material/IconButton";
import Paper from "@mui/material/Paper";
import Tab from "@mui/material/Tab";
import Tabs from "@mui/material/Tabs";
import Tooltip from "@mui/material/Tooltip";
import Typography from "@mui/material/Typography";
import useMediaQuery from "@mui/material/useMediaQuery";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ApiError, api } from "../../api/client";
import {
  Direction,
  lengthOf,
  otherParty,
  PhaseLabel,
  PhoneNumber,
} from "../../components/callParts";
import { BackIcon, LinkIcon } from "../../components/icons";
import { Loading, Notice, visuallyHidden } from "../../components/pageStates";
import { useToast } from "../../components/toasts";
import { Transcript } from "../../components/transcript/Transcript";
import { WaitingCards } from "../../components/WaitingCards";
import { follow, paths } from "../../lib/router";
import { stream, useCall, useConnection, useNow } from "../../live/index";
import { waits } from "../../model/attention";
import type { Call } from "../../model/call";
import { dollars } from "../../model/format";
import { t } from "../../texts/index";
import { CallRecord } from "./CallRecord";
import { SupervisorControls } from "./SupervisorControls";

/** A call of which nothing has arrived by then is taken for unknown. */
const UNKNOWN_AFTER_MS = 6_000;

export default function CallPage(props: { callSid: string; seq: number | undefined }) {
  const call = useCall(props.callSid);
  const { state } = useConnection();
  useEffect(() => {
    if (state === "live") stream.want(props.callSid);
  }, [state, props.callSid]);
  if (!call || call.seq === 0) return <UnknownCall callSid={props.callSid} />;
  return <KnownCall call={call} seq={props.seq} />;
}

function UnknownCall(props: { callSid: string }) {
  const details = useQuery({
    queryKey: ["call", props.callSid],
    queryFn: ({ signal }) => api.call(props.callSid, signal),
    retry: false,
  });
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), UNKNOWN_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  const missing = details.error instanceof ApiError && details.error.code === "CALL_NOT_FOUND";
  // A call that has just been placed may have no events yet.
  if (missing || (late && !details.isSuccess))
    return <Notice title={t.call.unknown} lead={t.call.unknownLead} />;
  return (
    <Box>
      <Loading />
      <Box role="status" sx={visuallyHidden}>
        {t.call.loading}
      </Box>
    </Box>
  );
}

function KnownCall(props: { call: Call; seq: number | undefined }) {
  const { call } = props;
  const wide = useMediaQuery("(min-width:900px)", { noSsr: true });
  const [tab, setTab] = useState<"transcript" | "controls">("transcript");
  const ended = call.phase === "ended";
  const side = ended ? <CallRecord call={call} /> : <SupervisorControls call={call} wide={wide} />;
  if (wide) {
    return (
      <Box sx={page}>
        <CallHeader call={call} />
        <Box sx={columns}>
          <Transcript call={call} seq={props.seq} />
          <Paper variant="outlined" sx={{ overflow: "auto", minHeight: 0 }}>
            {side}
          </Paper>
        </Box>
      </Box>
    );
  }
  return (
    <Box sx={page}>
      <CallHeader call={call} />
      {!ended && waits(call) && (
        <Paper
          variant="outlined"
          component="section"
          aria-label={t.controls.region}
          sx={{ p: 1.5, borderColor: "warning.main" }}
        >
          <WaitingCards call={call} compact />
        </Paper>
      )}
      <Tabs value={tab} onChange={(_, next) => setTab(next)} variant="fullWidth">
        <Tab value="transcript" label={t.call.tabs.transcript} />
        <Tab value="controls" label={ended ? t.record.title : t.call.tabs.controls} />
      </Tabs>
      {tab === "transcript" ? (
        <Transcript call={call} seq={props.seq} />
      ) : (
        <Paper variant="outlined" sx={{ overflow: "auto", minHeight: 0, flex: 1 }}>
          {side}
        </Paper>
      )}
    </Box>
  );
}

function CallHeader(props: { call: Call }) {
  const { call } = props;
  const now = useNow();
  const toast = useToast();
  const share = async () => {
    const { href } = new URL(paths.call(call.callSid), location.href);
    try {
      await navigator.clipboard.writeText(href);
      toast(t.call.copied);
    } catch {
      // No permission, or a page without TLS: the link can still be selected and copied by hand.
      toast(href);
    }
  };
  return (
    <Box sx={head}>
      <Tooltip title={t.call.back}>
        <IconButton
          href={paths.wallboard}
          aria-label={t.call.back}
          onClick={(event) => follow(event, paths.wallboard)}
          size="small"
        >
          <BackIcon fontSize="small" />
        </IconButton>
      </Tooltip>
      <Typography variant="h1" component="h2" sx={party}>
        <Direction direction={call.direction} />
        <PhoneNumber number={otherParty(call)} />
      </Typography>
      {call.agent && (
        <Typography
          variant="body2"
          color="textSecondary"
          sx={{ display: { xs: "none", sm: "block" } }}
        >
          {call.agent}
        </Typography>
      )}
      <Box sx={{ fontSize: "0.88rem", fontWeight: 550 }}>
        <PhaseLabel phase={call.phase} />
      </Box>
      <Box sx={{ flex: 1 }} />
      <Box aria-label={t.call.length} role="timer" sx={{ fontWeight: 600 }}>
        {lengthOf(call, now)}
      </Box>
      {call.costUsd > 0 && (
        <Tooltip title={t.call.cost}>
          <Typography
            variant="body2"
            color="textSecondary"
            sx={{ display: { xs: "none", sm: "block" } }}
          >
            {dollars(call.costUsd)}
          </Typography>
        </Tooltip>
      )}
      <Tooltip title={t.call.share}>
        <IconButton aria-label={t.call.share} onClick={() => void share()} size="small">
          <LinkIcon fontSize="small" />
        </IconButton>
      </Tooltip>
    </Box>
  );
}

const page = {
  height: "100%",
  boxSizing: "border-box",
  display: "flex",
  flexDirection: "column",
  gap: 1.5,
  px: { xs: 1.5, md: 3 },
  pb: { xs: 1.5, md: 3 },
  minHeight: 380,
} as const;

const columns = {
  flex: 1,
  minHeight: 0,
  display: "grid",
  gap: 2,
  gridTemplateColumns: "minmax(0, 1fr) minmax(20rem, 24rem)",
  gridTemplateRows: "minmax(0, 1fr)",
} as const;

const head = {
  display: "flex",
  flexWrap: "wrap",
  alignItems: "center",
  columnGap: { xs: 1, md: 1.75 },
  rowGap: 0.5,
} as const;

const party = { display: "inline-flex", alignItems: "center", gap: 1 } as const;
