/** What a supervisor can do to a live call. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useRef, useState } from "react";
import { api } from "../../api/client";
import { AutoGrowField } from "../../components/AutoGrowField";
import { HangUpIcon } from "../../components/icons";
import { HolderText, useHolder } from "../../components/TakeoverHolder";
import { failureText, useToast } from "../../components/toasts";
import { useAct } from "../../components/useAct";
import { WaitingCards } from "../../components/WaitingCards";
import { onEnter } from "../../lib/onEnter";
import { useGradually } from "../../lib/useGradually";
import { useKeys } from "../../lib/useKeys";
import { waits } from "../../model/attention";
import type { Call } from "../../model/call";
import { grouped } from "../../model/format";
import { typedNumber } from "../../model/phoneNumber";
import { t } from "../../texts/index";
import { Confirm } from "./Confirm";

/** What waits together with the footer, messages, transfer, keypad. */
const PARTS = 4;

export function SupervisorControls(props: { call: Call; wide: boolean }) {
  const { call } = props;
  const root = useRef<HTMLDivElement>(null);
  const [ending, setEnding] = useState(false);
  const { act, busy } = useAct();
  // Drawn part by part: all at once would be a long task on a cold page.
  const drawn = useGradually(PARTS, 1);
  const focus = (name: string) => () =>
    root.current?.querySelector<HTMLElement>(`[data-control="${name}"]`)?.focus();

  const holder = useHolder(call);
  const takeover = () => void act(() => api.takeover(call.callSid), t.controls.done.takeover);
  const release = () => void act(() => api.release(call.callSid), t.controls.done.release);
  useKeys({
    a: () =>
      document
        .querySelector<HTMLElement>('[data-control="answer"], [data-control="reply"]')
        ?.focus(),
    x: focus("reason"),
    s: focus("say"),
    w: focus("whisper"),
    t: focus("transfer"),
    d: focus("keypad"),
    o: call.takenOver && holder !== "other" ? release : takeover,
    e: () => setEnding(true),
  });

  return (
    <Box ref={root} sx={{ minHeight: "100%", display: "flex", flexDirection: "column" }}>
      {props.wide && (
        <Section label={t.controls.region} marked={waits(call)}>
          {waits(call) ? (
            <WaitingCards call={call} />
          ) : (
            <Typography variant="body2" color="textSecondary">
              {t.controls.nothing}
            </Typography>
          )}
        </Section>
      )}
      {drawn > 1 && (
        <Section>
          <MessageField
            control="say"
            label={t.controls.sayField}
            help={t.controls.sayHelp}
            button={t.controls.say}
            strong
            send={(text) => act(() => api.say(call.callSid, text), t.controls.done.say)}
          />
          <MessageField
            control="whisper"
            label={t.controls.whisperField}
            help={t.controls.whisperHelp}
            button={t.controls.whisper}
            send={(text) => act(() => api.whisper(call.callSid, text), t.controls.done.whisper)}
          />
        </Section>
      )}
      {drawn > 2 && (
        <Section>
          <Transfer call={call} />
        </Section>
      )}
      {drawn > 3 && (
        <Section>
          <Keypad callSid={call.callSid} />
        </Section>
      )}
      <Box sx={footer}>
        <Typography variant="caption" color="textSecondary" aria-live="polite" sx={footerNote}>
          <HolderText call={call} holder={holder} />
        </Typography>
        {holder === "other" && (
          <Button variant="outlined" color="warning" disabled={busy} onClick={takeover}>
            {t.controls.takeoverFrom}
          </Button>
        )}
        <Button
          variant={call.takenOver && holder !== "other" ? "contained" : "outlined"}
          color="warning"
          disabled={busy}
          onClick={call.takenOver ? release : takeover}
        >
          {call.takenOver ? t.controls.release : t.controls.takeover}
        </Button>
        <Button
          color="error"
          variant="outlined"
          startIcon={<HangUpIcon />}
          onClick={() => setEnding(true)}
        >
          {t.controls.end}
        </Button>
      </Box>
      <Confirm
        open={ending}
        title={t.controls.endTitle}
        lead={t.controls.endLead}
        action={t.controls.end}
        onClose={() => setEnding(false)}
        onConfirm={() => void act(() => api.end(call.callSid), t.controls.done.end)}
      />
    </Box>
  );
}

function Section(props: { label?: string; marked?: boolean; children: ReactNode }) {
  return (
    <Box
      component={props.label ? "section" : "div"}
      aria-label={props.label}
      sx={{
        p: 2,
        display: "grid",
        gap: 1.25,
        borderBottom: 1,
        borderColor: "divider",
        "&:nth-last-of-type(2)": { borderBottom: 0, flex: 1, alignContent: "start" },
        boxShadow: (theme) =>
          props.marked
            ? `inset 3px 0 0 ${theme.vars?.palette.warning.main ?? theme.palette.warning.main}`
            : "none",
      }}
    >
      {props.children}
    </Box>
  );
}

function MessageField(props: {
  control: string;
  label: string;
  help: string;
  button: string;
  strong?: boolean;
  send: (text: string) => Promise<boolean>;
}) {
  const [text, setText] = useState("");
  const send = async () => {
    if (text.trim() === "") return;
    // If more was typed while it was sent, it stays.
    if (await props.send(text.trim())) setText((now) => (now === text ? "" : now));
  };
  return (
    <Box sx={{ display: "flex", gap: 1, alignItems: "start" }}>
      <AutoGrowField
        label={props.label}
        helperText={props.help}
        maxRows={6}
        fullWidth
        value={text}
        slotProps={{ htmlInput: { "data-control": props.control } }}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onEnter(() => void send())}
      />
      <Button
        variant={props.strong ? "contained" : "outlined"}
        disabled={text.trim() === ""}
        onClick={() => void send()}
        sx={{ minWidth: "5.5rem", height: "2.5rem" }}
      >
        {props.button}
      </Button>
    </Box>
  );
}

function Transfer(props: { call: Call }) {
  const [text, setText] = useState("");
  const [asking, setAsking] = useState(false);
  const { act } = useAct();
  const typed = typedNumber(text);
  const targets = useTargets(props.call.agent);
  const ask = () => {
    if (typed.state === "good") setAsking(true);
  };
  const number = typed.state === "good" ? typed.number : "";
  return (
    <>
      <Box sx={{ display: "flex", gap: 1, alignItems: "start" }}>
        <TextField
          label={t.controls.transferField}
          type="tel"
          fullWidth
          autoComplete="off"
          value={text}
          error={typed.state === "wrong"}
          helperText={
            typed.state === "wrong" ? t.controls.numberWrong[typed.why] : t.controls.transferHelp
          }
          slotProps={{ htmlInput: { "data-control": "transfer" } }}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onEnter(ask)}
        />
        <Button
          variant="outlined"
          disabled={typed.state !== "good"}
          onClick={ask}
          sx={{ minWidth: "5.5rem", height: "2.5rem" }}
        >
          {t.controls.transfer}
        </Button>
      </Box>
      {targets.length > 0 && (
        <Box sx={{ display: "flex", flexWrap: "wrap", gap: 0.75 }}>
          {targets.map((target) => (
            <Button key={target.number} size="small" onClick={() => setText(target.number)}>
              {grouped(target.number)}
            </Button>
          ))}
        </Box>
      )}
      <Confirm
        open={asking}
        title={t.controls.transferTitle}
        lead={t.controls.transferLead(number)}
        action={t.controls.transfer}
        onClose={() => setAsking(false)}
        onConfirm={() =>
          void act(() => api.transfer(props.call.callSid, number), t.controls.done.transfer)
        }
      />
    </>
  );
}

/** The numbers this call's agent may transfer to. */
function useTargets(agent: string): { number: string }[] {
  const agents = useQuery({
    queryKey: ["agents"],
    queryFn: ({ signal }) => api.agents(signal),
    staleTime: 60_000,
    retry: false,
  });
  return agents.data?.find((each) => each.id === agent)?.transferTargets ?? [];
}

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

function Keypad(props: { callSid: string }) {
  const toast = useToast();
  const queue = useRef(Promise.resolve());
  /** Digits may be typed faster than they are sent: each waits for the one before. */
  const press = (digit: string) => {
    queue.current = queue.current.then(async () => {
      try {
        await api.digit(props.callSid, digit);
        toast(t.controls.done.digit(digit));
      } catch (error) {
        toast(failureText(error), "error");
      }
    });
  };
  const typed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !DIGITS.includes(event.key)) return;
    event.preventDefault();
    press(event.key);
  };
  return (
    // Not a fieldset: digits typed anywhere inside it are pressed.
    <Box role="group" aria-label={t.controls.keypad} onKeyDown={typed} sx={keypad}>
      {DIGITS.map((digit, at) => (
        <Button
          key={digit}
          variant="outlined"
          color="inherit"
          data-control={at === 0 ? "keypad" : undefined}
          aria-label={t.controls.digit(digit)}
          onClick={() => press(digit)}
          sx={{ fontSize: "1rem", minWidth: 0, py: 0.4, borderColor: "divider" }}
        >
          {digit}
        </Button>
      ))}
    </Box>
  );
}

const footer = {
  position: "sticky",
  bottom: 0,
  display: "grid",
  gridTemplateColumns: "1fr 1fr",
  gap: 1,
  p: 2,
  pt: 1.25,
  bgcolor: "background.paper",
  borderTop: 1,
  borderColor: "divider",
  zIndex: 1,
} as const;

const footerNote = { gridColumn: "1 / -1" } as const;

const keypad = {
  display: "grid",
  gap: 0.75,
  gridTemplateColumns: "repeat(3, minmax(0, 1fr))",
  // On a low screen all keys stay in sight.
  "@media (max-height: 1000px)": { gridTemplateColumns: "repeat(6, minmax(0, 1fr))" },
} as const;
