/** A call from the page: choose an agent, then be the caller, typing or speaking. */
import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import MenuItem from "@mui/material/MenuItem";
import Paper from "@mui/material/Paper";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useQuery } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import { api } from "../../api/client";
import { NewCallIcon } from "../../components/icons";
import { Transcript } from "../../components/transcript/Transcript";
import { follow, paths } from "../../lib/router";
import { change, useSettings } from "../../lib/settings";
import { useCall } from "../../live/index";
import { phone, usePhone } from "../../softphone/index";
import type { PhoneState } from "../../softphone/phone";
import { onVoices, voices } from "../../softphone/speechSynthesis";
import { t } from "../../texts/index";
import { Handset } from "./Handset";

export default function Softphone() {
  const state = usePhone();
  if (state.phase === "idle") return <Dial />;
  return <ActiveCall state={state} />;
}

function Dial() {
  const asked = new URLSearchParams(location.search).get("agent") ?? "";
  const [agent, setAgent] = useState(asked);
  const agents = useQuery({
    queryKey: ["agents"],
    queryFn: ({ signal }) => api.agents(signal),
    retry: false,
  });
  const known = agents.data ?? [];
  const chosen = known.find((each) => (agent === "" ? each.default : each.id === agent));
  return (
    <Box sx={{ px: { xs: 1.5, md: 3 }, pt: 0.75, pb: 3 }}>
      <Paper
        component="form"
        variant="outlined"
        onSubmit={(event: React.FormEvent) => {
          event.preventDefault();
          phone.call(agent);
        }}
        sx={{ p: { xs: 2, md: 3 }, maxWidth: "38.75rem", display: "grid", gap: 2.25 }}
      >
        <Typography variant="body2" color="textSecondary">
          {t.softphone.lead}
        </Typography>
        <TextField
          select
          label={t.softphone.agent}
          value={agent}
          helperText={chosen?.description ?? chosen?.greeting}
          slotProps={{ select: { displayEmpty: true }, inputLabel: { shrink: true } }}
          onChange={(event) => setAgent(event.target.value)}
        >
          <MenuItem value="">{t.newCall.defaultAgent}</MenuItem>
          {asked !== "" && !known.some((each) => each.id === asked) && (
            <MenuItem value={asked}>{asked}</MenuItem>
          )}
          {known.map((each) => (
            <MenuItem key={each.id} value={each.id}>
              {each.name ?? each.id}
            </MenuItem>
          ))}
        </TextField>
        <VoiceChoice />
        <Button type="submit" variant="contained" size="large" startIcon={<NewCallIcon />}>
          {t.softphone.call}
        </Button>
      </Paper>
    </Box>
  );
}

/** The browser's voices, if it has any for this language. */
function VoiceChoice() {
  const { voice } = useSettings();
  const names = useVoices();
  if (names.length === 0) return null;
  return (
    <TextField
      select
      label={t.softphone.voice}
      value={names.some((each) => each.uri === voice) ? voice : ""}
      slotProps={{ select: { displayEmpty: true }, inputLabel: { shrink: true } }}
      onChange={(event) => change({ voice: event.target.value })}
    >
      <MenuItem value="">{t.softphone.noVoice}</MenuItem>
      {names.map(({ uri, name }) => (
        <MenuItem key={uri} value={uri}>
          {name}
        </MenuItem>
      ))}
    </TextField>
  );
}

let found: { uri: string; name: string }[] = [];

function useVoices(): { uri: string; name: string }[] {
  return useSyncExternalStore(onVoices, () => {
    const next = voices().map((each) => ({ uri: each.voiceURI, name: each.name }));
    const same =
      next.length === found.length && next.every((each, at) => each.uri === found[at]?.uri);
    if (!same) found = next;
    return found;
  });
}

function ActiveCall(props: { state: Exclude<PhoneState, { phase: "idle" }> }) {
  const { state } = props;
  const call = useCall(state.callSid);
  return (
    <Box sx={page}>
      {call && call.seq > 0 ? (
        <Transcript call={call} seq={undefined} />
      ) : (
        <Paper variant="outlined" sx={{ p: 3, flex: 1 }}>
          <Typography color="textSecondary">{t.softphone.ringing}</Typography>
        </Paper>
      )}
      <Paper variant="outlined" sx={side}>
        {state.phase === "over" ? <EndedCall state={state} /> : <Handset state={state} />}
      </Paper>
    </Box>
  );
}

function EndedCall(props: { state: Extract<PhoneState, { phase: "over" }> }) {
  const { callSid, trouble, transferredTo } = props.state;
  const path = paths.call(callSid);
  return (
    <Box sx={{ p: 2, display: "grid", gap: 1.5 }}>
      <Typography variant="h2" role="status">
        {t.softphone.over}
      </Typography>
      {trouble !== "" && <Alert severity="error">{t.softphone.trouble(trouble)}</Alert>}
      {transferredTo !== undefined && (
        <Alert severity="info">{t.softphone.transferred(transferredTo)}</Alert>
      )}
      <Button variant="contained" onClick={() => phone.clear()}>
        {t.softphone.again}
      </Button>
      <Button variant="outlined" href={path} onClick={(event) => follow(event, path)}>
        {t.softphone.record}
      </Button>
    </Box>
  );
}

const page = {
  height: "100%",
  boxSizing: "border-box",
  display: "grid",
  gap: { xs: 1.5, md: 2 },
  px: { xs: 1.5, md: 3 },
  pb: { xs: 1.5, md: 3 },
  gridTemplateColumns: { xs: "minmax(0, 1fr)", md: "minmax(0, 1fr) minmax(20rem, 24rem)" },
  gridTemplateRows: { xs: "minmax(180px, 1fr) auto", md: "minmax(0, 1fr)" },
} as const;

const side = { overflow: "auto", minHeight: 0 } as const;
