/** Brief messages on the outcome of an action, announced to screen readers as well. */
import Alert from "@mui/material/Alert";
import Snackbar from "@mui/material/Snackbar";
import { createContext, type ReactNode, useCallback, useContext, useState } from "react";
import { ApiError } from "../api/client";
import { t } from "../texts/index";

interface Toast {
  key: number;
  text: string;
  tone: "success" | "error";
}

type Show = (text: string, tone?: Toast["tone"]) => void;

const Context = createContext<Show>(() => {});

export function Toasts(props: { children: ReactNode }) {
  const [toast, setToast] = useState<Toast>();
  const [open, setOpen] = useState(false);
  const show = useCallback<Show>((text, tone = "success") => {
    setToast((before) => ({ key: (before?.key ?? 0) + 1, text, tone }));
    setOpen(true);
  }, []);
  return (
    <Context.Provider value={show}>
      {props.children}
      <Snackbar
        key={toast?.key}
        open={open}
        autoHideDuration={toast?.tone === "error" ? 8_000 : 2_500}
        onClose={(_, why) => why !== "clickaway" && setOpen(false)}
        anchorOrigin={{ vertical: "bottom", horizontal: "center" }}
      >
        <Alert
          severity={toast?.tone ?? "success"}
          variant="filled"
          role={toast?.tone === "error" ? "alert" : "status"}
          onClose={() => setOpen(false)}
        >
          {toast?.text}
        </Alert>
      </Snackbar>
    </Context.Provider>
  );
}

export function useToast(): Show {
  return useContext(Context);
}

/** An error in words for a supervisor. */
export function failureText(error: unknown): string {
  if (!(error instanceof ApiError)) return t.states.failed;
  if (error.status === 0) return t.states.unreachable;
  return error.unavailable ? t.states.unavailable : error.message;
}
