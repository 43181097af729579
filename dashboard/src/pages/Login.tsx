/** Logging in with the supervisors' token; the server answers with a cookie. */
import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Paper from "@mui/material/Paper";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { type FormEvent, useState } from "react";
import { ApiError, api } from "../api/client";
import { t } from "../texts/index";

export function Login(props: { onDone: () => void }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await api.login(token.trim());
      props.onDone();
    } catch (error) {
      setProblem(wording(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Box component="main" sx={{ minHeight: "100dvh", display: "grid", placeItems: "center", p: 2 }}>
      <Paper
        component="form"
        variant="outlined"
        onSubmit={submit}
        sx={{ p: { xs: 3, sm: 4 }, width: "100%", maxWidth: "26.25rem", display: "grid", gap: 2.5 }}
      >
        <Box sx={{ display: "flex", gap: 1.5, alignItems: "center" }}>
          <Box
            component="img"
            src={`${import.meta.env.BASE_URL}favicon.svg`}
            alt=""
            sx={{ width: "2.5rem", height: "2.5rem" }}
          />
          <Box>
            <Typography variant="h1">{t.login.title}</Typography>
            <Typography variant="body2" color="textSecondary">
              {t.login.lead}
            </Typography>
          </Box>
        </Box>
        {/* For password managers, which file a secret under a name. */}
        <input hidden readOnly autoComplete="username" value={t.call.supervisor} />
        <TextField
          label={t.login.field}
          type="password"
          name="token"
          size="medium"
          autoComplete="current-password"
          autoFocus
          value={token}
          error={problem !== ""}
          onChange={(event) => setToken(event.target.value)}
        />
        {problem && <Alert severity="error">{problem}</Alert>}
        <Button
          type="submit"
          variant="contained"
          size="large"
          disabled={busy || token.trim() === ""}
        >
          {t.login.submit}
        </Button>
        <Typography variant="caption" color="textSecondary">
          {t.login.help}
        </Typography>
      </Paper>
    </Box>
  );
}

function wording(error: unknown): string {
  if (!(error instanceof ApiError)) return t.states.failed;
  if (error.status === 0) return t.login.unreachable;
  if (error.status === 429) return t.login.tooMany(error.retryAfter);
  return error.status === 401 ? t.login.refused : error.message;
}
