/** Placing a call: to whom, about what, and with their consent; then straight to its page. */
import Alert from "@mui/material/Alert";
import AlertTitle from "@mui/material/AlertTitle";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import MenuItem from "@mui/material/MenuItem";
import Paper from "@mui/material/Paper";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, api, type NewCall as Wanted } from "../api/client";
import { go, paths } from "../app/router";
import { failureText } from "../app/toasts";
import { typedNumber } from "../model/phone";
import { t } from "../texts";

export default function NewCall() {
  const asked = new URLSearchParams(location.search).get("scenario") ?? "";
  const [to, setTo] = useState("");
  const [from, setFrom] = useState("");
  const [scenario, setScenario] = useState(asked);
  const [agent, setAgent] = useState("");
  const [consent, setConsent] = useState(false);
  /** One key for one form: pressing twice, or again after a lost answer, places one call. */
  const [key, setKey] = useState(() => crypto.randomUUID());

  const scenarios = useQuery({
    queryKey: ["scenarios"],
    queryFn: ({ signal }) => api.scenarios(signal),
    retry: false,
  });
  const agents = useQuery({
    queryKey: ["agents"],
    queryFn: ({ signal }) => api.agents(signal),
    retry: false,
  });
  const placing = useMutation({
    mutationFn: (call: Wanted) => api.place(call, key),
    onSuccess: (placed) => go(paths.call(placed.callSid)),
    // A refusal is final for this form as it is; the next try is another one.
    onError: (error) => {
      if (error instanceof ApiError && error.status !== 0) setKey(crypto.randomUUID());
    },
  });

  const number = typedNumber(to);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (number.state !== "good" || !consent) return;
    const call: Wanted = { to: number.number, consent };
    if (scenario !== "") call.scenario = scenario;
    if (agent !== "") call.agent = agent;
    if (from.trim() !== "") call.from = from.trim();
    placing.mutate(call);
  };

  const chosen = scenarios.data?.find((each) => each.id === scenario);
  return (
    <Box sx={{ px: { xs: 1.5, md: 3 }, pt: 0.75, pb: 3 }}>
      <Paper
        component="form"
        variant="outlined"
        onSubmit={submit}
        sx={{ p: { xs: 2, md: 3 }, maxWidth: 620, display: "grid", gap: 2.25 }}
      >
        <Typography variant="body2" color="textSecondary">
          {t.newCall.lead}
        </Typography>
        <TextField
          label={t.newCall.to}
          type="tel"
          autoFocus
          autoComplete="off"
          value={to}
          error={number.state === "wrong"}
          helperText={number.state === "wrong" ? t.hands.numberWrong[number.why] : t.newCall.toHelp}
          onChange={(event) => setTo(event.target.value)}
        />
        <TextField
          select
          label={t.newCall.scenario}
          value={scenario}
          helperText={chosen?.description ?? chosen?.text ?? chosen?.goal}
          slotProps={{ select: { displayEmpty: true }, inputLabel: { shrink: true } }}
          onChange={(event) => setScenario(event.target.value)}
        >
          <MenuItem value="">{t.newCall.noScenario}</MenuItem>
          {asked !== "" && !chosen && <MenuItem value={asked}>{asked}</MenuItem>}
          {(scenarios.data ?? []).map((each) => (
            <MenuItem key={each.id} value={each.id}>
              {each.name ?? each.id}
            </MenuItem>
          ))}
        </TextField>
        <TextField
          select
          label={t.newCall.agent}
          value={agent}
          slotProps={{ select: { displayEmpty: true }, inputLabel: { shrink: true } }}
          onChange={(event) => setAgent(event.target.value)}
        >
          <MenuItem value="">{t.newCall.defaultAgent}</MenuItem>
          {(agents.data ?? []).map((each) => (
            <MenuItem key={each.id} value={each.id}>
              {each.name ?? each.id}
            </MenuItem>
          ))}
        </TextField>
        <TextField
          label={t.newCall.from}
          type="tel"
          autoComplete="off"
          value={from}
          onChange={(event) => setFrom(event.target.value)}
        />
        <Box>
          <FormControlLabel
            control={
              <Checkbox checked={consent} onChange={(event) => setConsent(event.target.checked)} />
            }
            label={t.newCall.consent}
          />
          {!consent && (
            <Typography variant="caption" color="textSecondary" component="div">
              {t.newCall.needsConsent}
            </Typography>
          )}
        </Box>
        {placing.isError && <Refusal error={placing.error} />}
        <Button
          type="submit"
          variant="contained"
          size="large"
          disabled={number.state !== "good" || !consent || placing.isPending}
        >
          {t.newCall.place}
        </Button>
      </Paper>
    </Box>
  );
}

function Refusal(props: { error: unknown }) {
  const { error } = props;
  if (!(error instanceof ApiError) || error.code !== "REFUSED") {
    return <Alert severity="error">{failureText(error)}</Alert>;
  }
  return (
    <Alert severity="warning">
      <AlertTitle>{t.newCall.refused}</AlertTitle>
      <Typography variant="body2" sx={{ fontWeight: 600, mb: 0.5 }}>
        {error.message}
      </Typography>
      <Typography variant="body2">{t.newCall.refusedLead}</Typography>
    </Alert>
  );
}
