/** Runs one action at a time and shows its outcome. What it changed arrives as an event. */
import { useRef, useState } from "react";
import { failureText, useToast } from "./toasts";

/** `failed` may give better words for an error than the server's. */
export type Act = (
  send: () => Promise<unknown>,
  done: string,
  failed?: (error: unknown) => string | undefined,
) => Promise<boolean>;

export function useAct(): { act: Act; busy: boolean } {
  const toast = useToast();
  const [busy, setBusy] = useState(false);
  const running = useRef(false);
  const act: Act = async (send, done, failed) => {
    // State would change a render too late to stop the second click of a double click.
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    try {
      await send();
      toast(done);
      return true;
    } catch (error) {
      toast(failed?.(error) ?? failureText(error), "error");
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { act, busy };
}
