/** What keeps a caller waiting: the AI's question, a reply that is held for approval, or nobody. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useEffect, useRef, useState } from "react";
import { ApiError, api } from "../api/client";
import { onEnter } from "../lib/onEnter";
import { store, useNow } from "../live/index";
import { isCallerAlone } from "../model/attention";
import type { Call, Waiting } from "../model/call";
import { type Settled, settledQuestion, settledReply } from "../model/settled";
import { commandText, t } from "../texts/index";
import { AutoGrowField } from "./AutoGrowField";
import { CallerAlone } from "./TakeoverHolder";
import { useToast } from "./toasts";
import { useAct } from "./useAct";

/** `compact` leaves out what the wallboard has no room for. Each wait has a card of its own (`key`). */
export function WaitingCards(props: { call: Call; compact?: boolean }) {
  const { callSid, question, queued, reply } = props.call;
  const compact = props.compact ?? false;
  return (
    <Box sx={{ display: "grid", gap: 2 }}>
      {isCallerAlone(props.call) && <CallerAlone call={props.call} />}
      {reply && (
        <Reply
          key={`r${reply.reference ?? reply.since}`}
          callSid={callSid}
          waiting={reply}
          compact={compact}
        />
      )}
      {question && (
        <Question
          key={`q${question.reference ?? question.since}`}
          callSid={callSid}
          waiting={question}
        />
      )}
      {queued.length > 0 && (
        <Typography variant="caption" color="textSecondary">
          {t.controls.moreQuestions(queued.length)}
        </Typography>
      )}
    </Box>
  );
}

function Question(props: { callSid: string; waiting: Waiting }) {
  const { callSid, waiting } = props;
  const [text, setText] = useState("");
  const settle = useSettling(text !== "", () => {
    const call = store.get(callSid);
    return call && settledQuestion(call, waiting.reference);
  });
  const answer = () => {
    if (text.trim() === "") return;
    settle.by(() => api.answer(callSid, waiting.reference, text.trim()), t.controls.done.answer);
  };
  return (
    <Box sx={{ display: "grid", gap: 1.25 }}>
      <CardTitle text={t.controls.question} waiting={waiting} />
      <Quote text={waiting.text} />
      <AutoGrowField
        label={t.controls.answerField}
        maxRows={6}
        value={text}
        slotProps={{ htmlInput: { "data-control": "answer" } }}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onEnter(answer)}
      />
      <Button variant="contained" disabled={settle.busy || text.trim() === ""} onClick={answer}>
        {t.controls.answer}
      </Button>
    </Box>
  );
}

function Reply(props: { callSid: string; waiting: Waiting; compact: boolean }) {
  const { callSid, waiting } = props;
  const [text, setText] = useState(waiting.text);
  const [reason, setReason] = useState("");
  const settle = useSettling(text !== waiting.text || reason !== "", () => {
    const call = store.get(callSid);
    return call && settledReply(call, waiting.reference);
  });
  const approve = () => {
    if (text.trim() === "") return;
    settle.by(() => api.approve(callSid, waiting.reference, text), t.controls.done.approve);
  };
  const reject = () =>
    settle.by(() => api.reject(callSid, waiting.reference, reason.trim()), t.controls.done.reject);
  return (
    <Box sx={{ display: "grid", gap: 1.25 }}>
      <CardTitle text={t.controls.reply} waiting={waiting} />
      <AutoGrowField
        label={t.controls.replyField}
        maxRows={8}
        value={text}
        helperText={text === waiting.text ? undefined : t.controls.approveEdited}
        slotProps={{ htmlInput: { "data-control": "reply" } }}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onEnter(approve)}
      />
      {waiting.commands.length > 0 && (
        <Typography variant="body2" color="textSecondary" sx={{ overflowWrap: "anywhere" }}>
          {t.controls.besides}{" "}
          {waiting.commands
            .map(commandText)
            .map(({ label, detail }) => `${label} ${detail}`.trim())
            .join(", ")}
        </Typography>
      )}
      {!props.compact && (
        <TextField
          label={t.controls.reasonField}
          value={reason}
          slotProps={{ htmlInput: { "data-control": "reason" } }}
          onChange={(event) => setReason(event.target.value)}
          onKeyDown={onEnter(reject)}
        />
      )}
      <Box sx={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: 1 }}>
        <Button variant="contained" disabled={settle.busy || text.trim() === ""} onClick={approve}>
          {t.controls.approve}
        </Button>
        <Button variant="outlined" color="error" disabled={settle.busy} onClick={reject}>
          {t.controls.reject}
        </Button>
      </Box>
    </Box>
  );
}

/**
 * Settles what a card holds. If another supervisor was faster, that is said: to one who pressed too
 * late, and to one whose half-typed answer disappears with the card.
 */
function useSettling(typed: boolean, settled: () => Settled | undefined) {
  const toast = useToast();
  const { act, busy } = useAct();
  const mine = useRef(false);
  const gone = useRef(() => {});
  gone.current = () => {
    const outcome = settled();
    if (outcome && !mine.current && (typed || busy)) toast(t.controls.faster(outcome), "error");
  };
  useEffect(() => () => gone.current(), []);
  const late = (error: unknown) => {
    mine.current = false;
    if (!(error instanceof ApiError) || error.code !== "CONFLICT") return undefined;
    const outcome = settled();
    return outcome ? t.controls.faster(outcome) : undefined;
  };
  const by = (send: () => Promise<unknown>, done: string) => {
    mine.current = true;
    void act(send, done, late);
  };
  return { by, busy };
}

function CardTitle(props: { text: string; waiting: Waiting }) {
  const now = useNow();
  const { since, until } = props.waiting;
  return (
    <Box sx={{ display: "flex", justifyContent: "space-between", alignItems: "baseline" }}>
      <Typography variant="h3" component="h3" sx={{ color: "warning.main" }}>
        {props.text}
      </Typography>
      <Typography variant="caption" color="textSecondary" role="timer">
        {until === undefined ? t.controls.waitsFor(now - since) : t.controls.left(until - now)}
      </Typography>
    </Box>
  );
}

function Quote(props: { text: string }) {
  return (
    <Typography
      dir="auto"
      sx={{ fontWeight: 550, overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}
    >
      {props.text}
    </Typography>
  );
}
