/** What the caller uses: a field for words, a microphone, a keypad, and hanging up. */
import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { useEffect, useState } from "react";
import { AutoGrowField } from "../../components/AutoGrowField";
import { HangUpIcon } from "../../components/icons";
import { onEnter } from "../../lib/onEnter";
import { follow, paths } from "../../lib/router";
import { useMonotonic } from "../../live/index";
import { clock } from "../../model/format";
import { phone, useCaption } from "../../softphone/index";
import type { PhoneState } from "../../softphone/phone";
import { canListen, listen } from "../../softphone/speechRecognition";
import { t } from "../../texts/index";

type On = Extract<PhoneState, { phase: "ringing" | "talking" | "lost" }>;

export function Handset(props: { state: On }) {
  const { phase, callSid, since } = props.state;
  const now = useMonotonic();
  const path = paths.call(callSid);
  return (
    <Box sx={{ p: 2, display: "grid", gap: 1.75 }}>
      <Box sx={{ display: "flex", justifyContent: "space-between", alignItems: "baseline" }}>
        <Typography variant="h2" role="status">
          {phase === "ringing" ? t.softphone.ringing : t.softphone.talking}
        </Typography>
        <Box role="timer" sx={{ fontWeight: 600 }}>
          {clock(now - since)}
        </Box>
      </Box>
      {phase === "lost" && <Alert severity="warning">{t.softphone.lost}</Alert>}
      <Caption />
      <MessageField enabled={phase === "talking"} />
      {canListen() && <Microphone enabled={phase === "talking"} />}
      <Keys enabled={phase === "talking"} />
      <Box sx={{ display: "flex", gap: 1, flexWrap: "wrap" }}>
        <Button
          variant="contained"
          color="error"
          startIcon={<HangUpIcon />}
          onClick={() => phone.hangUp()}
          sx={{ flex: 1 }}
        >
          {t.softphone.hangUp}
        </Button>
        <Button
          variant="outlined"
          href={path}
          onClick={(event) => follow(event, path)}
          sx={{ flex: 1, whiteSpace: "nowrap" }}
        >
          {t.softphone.watch}
        </Button>
      </Box>
    </Box>
  );
}

/** What is being spoken now; the part already spoken stands out. */
function Caption() {
  const caption = useCaption();
  return (
    <Box aria-label={t.softphone.speaks} role="group" data-caption sx={captionBox}>
      {caption ? (
        <span dir="auto">
          {caption.said}
          <Box component="span" sx={{ color: "text.secondary" }}>
            {caption.rest}
          </Box>
        </span>
      ) : (
        <Typography variant="body2" color="textSecondary">
          {t.softphone.silent}
        </Typography>
      )}
    </Box>
  );
}

function MessageField(props: { enabled: boolean }) {
  const [text, setText] = useState("");
  const send = () => {
    if (text.trim() === "" || !props.enabled) return;
    phone.say(text);
    setText("");
  };
  return (
    <Box sx={{ display: "flex", gap: 1, alignItems: "start" }}>
      <AutoGrowField
        label={t.softphone.field}
        helperText={t.softphone.sendHelp}
        maxRows={4}
        fullWidth
        autoFocus
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onEnter(send)}
      />
      <Button
        variant="contained"
        disabled={!props.enabled || text.trim() === ""}
        onClick={send}
        sx={{ minWidth: "5rem", height: "2.5rem" }}
      >
        {t.softphone.send}
      </Button>
    </Box>
  );
}

function Microphone(props: { enabled: boolean }) {
  const [on, setOn] = useState(false);
  const [refused, setRefused] = useState(false);
  const listening = on && props.enabled;
  useEffect(() => {
    if (!listening) return;
    return listen({
      partial: (text) => phone.say(text, false),
      final: (text) => phone.say(text),
      refused: () => {
        setOn(false);
        setRefused(true);
      },
    });
  }, [listening]);
  return (
    <Box>
      <Button
        variant={on ? "contained" : "outlined"}
        color={on ? "warning" : "primary"}
        aria-pressed={on}
        disabled={!props.enabled}
        fullWidth
        onClick={() => setOn(!on)}
      >
        {on ? t.softphone.listening : t.softphone.listen}
      </Button>
      <Typography variant="caption" color="textSecondary" component="p" sx={{ mt: 0.5 }}>
        {refused ? t.softphone.refused : t.softphone.listenHelp}
      </Typography>
    </Box>
  );
}

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

function Keys(props: { enabled: boolean }) {
  return (
    <Box role="group" aria-label={t.softphone.keypad} sx={keypad}>
      {DIGITS.map((digit) => (
        <Button
          key={digit}
          variant="outlined"
          color="inherit"
          disabled={!props.enabled}
          aria-label={t.softphone.key(digit)}
          onClick={() => phone.press(digit)}
          sx={{ minWidth: 0, py: 0.3, borderColor: "divider" }}
        >
          {digit}
        </Button>
      ))}
    </Box>
  );
}

const captionBox = {
  minHeight: { xs: 44, md: 64 },
  p: 1.25,
  borderRadius: "10px",
  bgcolor: "ai",
  fontSize: "0.95rem",
  overflowWrap: "anywhere",
} as const;

const keypad = {
  display: "grid",
  gap: 0.75,
  gridTemplateColumns: { xs: "repeat(6, minmax(0, 1fr))", md: "repeat(3, minmax(0, 1fr))" },
} as const;
