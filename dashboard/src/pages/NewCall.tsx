/** The form that places a call: to whom, about what, with their consent. Then its page opens. */
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
import { ApiError, api } from "../api/client";
import type { NewCall as NewCallRequest, Scenario } from "../api/types";
import { failureText } from "../components/toasts";
import { randomHex } from "../lib/random";
import { go, paths } from "../lib/router";
import { typedNumber } from "../model/phoneNumber";
import { filled, given, label, missing, type Values } from "../model/slots";
import { t } from "../texts/index";

export default function NewCall() {
  const asked = new URLSearchParams(location.search).get("scenario") ?? "";
  const [to, setTo] = useState("");
  const [from, setFrom] = useState("");
  const [scenario, setScenario] = useState(asked);
  const [agent, setAgent] = useState("");
  const [consent, setConsent] = useState(false);
  const [values, setValues] = useState<Values>({});
  const [anyHour, setAnyHour] = useState(false);
  const [machine, setMachine] = useState<Machine>("");
  /** One key for one form: pressing twice, or again after a lost answer, places a single call. */
  const [key, setKey] = useState(() => randomHex(16));

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
    mutationFn: (call: NewCallRequest) => api.place(call, key),
    onSuccess: (placed) => go(paths.call(placed.callSid)),
    // After a refusal the next attempt is a different call.
    onError: (error) => {
      if (error instanceof ApiError && error.status !== 0) setKey(randomHex(16));
    },
  });

  const chosen = scenarios.data?.find((each) => each.id === scenario);
  const slots = chosen?.slots ?? [];
  // A number without a country code belongs to the server's own country, so the server decides.
  const number = typedNumber(to);
  const wrong = number.state === "wrong" && number.why !== "plus";
  const dialled = number.state === "good" ? number.number : wrong ? "" : to.trim();
  const ready = dialled !== "" && consent && missing(slots, values).length === 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!ready) return;
    const call: NewCallRequest = { to: dialled, consent };
    if (scenario !== "") call.scenario = scenario;
    if (agent !== "") call.agent = agent;
    if (from.trim() !== "") call.from = from.trim();
    if (slots.length > 0) call.variables = given(slots, values);
    if (anyHour) call.ignoreCallingHours = true;
    if (machine !== "") call.detectMachine = machine === "detect";
    placing.mutate(call);
  };

  return (
    <Box sx={{ px: { xs: 1.5, md: 3 }, pt: 0.75, pb: 3 }}>
      <Paper
        component="form"
        variant="outlined"
        onSubmit={submit}
        sx={{ p: { xs: 2, md: 3 }, maxWidth: "38.75rem", display: "grid", gap: 2.25 }}
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
          error={wrong}
          helperText={wrong ? t.controls.numberWrong[number.why] : t.newCall.toHelp}
          onChange={(event) => setTo(event.target.value)}
        />
        <TextField
          select
          label={t.newCall.scenario}
          value={scenario}
          helperText={chosen?.description}
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
        {chosen && <ScenarioFields scenario={chosen} values={values} onChange={setValues} />}
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
        <AnsweringMachineChoice value={machine} scenario={chosen} onChange={setMachine} />
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
        {(anyHour || ruleOf(placing.error) === "calling_hours") && (
          <FormControlLabel
            control={
              <Checkbox checked={anyHour} onChange={(event) => setAnyHour(event.target.checked)} />
            }
            label={t.newCall.anyHour}
          />
        )}
        <Button
          type="submit"
          variant="contained"
          size="large"
          disabled={!ready || placing.isPending}
        >
          {t.newCall.place}
        </Button>
      </Paper>
    </Box>
  );
}

/** What the AI will say first, and the fields that fill it in. */
function ScenarioFields(props: {
  scenario: Scenario;
  values: Values;
  onChange: (values: Values) => void;
}) {
  const { opening, slots = [] } = props.scenario;
  return (
    <Box sx={{ display: "grid", gap: 2 }}>
      {opening && (
        <Box component="figure" aria-label={t.newCall.opening} sx={quote}>
          <Typography variant="caption" color="textSecondary" component="figcaption">
            {t.newCall.opening}
          </Typography>
          <Typography dir="auto">“{filled(opening, slots, props.values)}”</Typography>
        </Box>
      )}
      {slots.length > 0 && (
        <Box sx={slotGrid}>
          {slots.map((slot) => (
            <TextField
              key={slot.name}
              label={label(slot.name)}
              required={slot.default == null}
              placeholder={slot.default ?? undefined}
              value={props.values[slot.name] ?? ""}
              slotProps={{ inputLabel: { shrink: true }, htmlInput: { maxLength: 200 } }}
              onChange={(event) =>
                props.onChange({ ...props.values, [slot.name]: event.target.value })
              }
            />
          ))}
        </Box>
      )}
    </Box>
  );
}

/** Whether to detect answering machines; empty for what the scenario says. */
type Machine = "" | "detect" | "ignore";

/** Whether answering machines are detected, and what happens to one. */
function AnsweringMachineChoice(props: {
  value: Machine;
  scenario: Scenario | undefined;
  onChange: (value: Machine) => void;
}) {
  const { value, scenario, onChange } = props;
  const usual = scenario?.detectMachine ?? false;
  const detects = value === "" ? usual : value === "detect";
  const met = scenario?.leavesMessage ? t.newCall.leavesMessage : t.newCall.hangsUp;
  return (
    <TextField
      select
      label={t.newCall.machine}
      value={value}
      helperText={detects ? met : t.newCall.talksToMachine}
      slotProps={{ select: { displayEmpty: true }, inputLabel: { shrink: true } }}
      onChange={(event) => onChange(event.target.value as Machine)}
    >
      <MenuItem value="">{t.newCall.machineUsual(usual, scenario !== undefined)}</MenuItem>
      <MenuItem value="detect">{t.newCall.machineDetect}</MenuItem>
      <MenuItem value="ignore">{t.newCall.machineIgnore}</MenuItem>
    </TextField>
  );
}

/** The rule that a refusal names. */
function ruleOf(error: unknown): string {
  if (!(error instanceof ApiError) || error.code !== "REFUSED") return "";
  const details = error.details as { rule?: unknown } | undefined;
  return typeof details?.rule === "string" ? details.rule : "";
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
      <Typography variant="body2">
        {t.newCall.rules[ruleOf(error)] ?? t.newCall.refusedLead}
      </Typography>
      <Typography variant="body2" sx={{ mt: 0.5 }}>
        {t.newCall.ledger}
      </Typography>
    </Alert>
  );
}

const quote = { m: 0, px: 1.75, py: 1.25, borderRadius: "10px", bgcolor: "ai" } as const;

const slotGrid = {
  display: "grid",
  gap: 1.5,
  gridTemplateColumns: { sm: "repeat(2, minmax(0, 1fr))" },
} as const;
