/** Keyboard shortcuts: single letters outside of fields, and `g` followed by a letter. */

import Box from "@mui/material/Box";
import Dialog from "@mui/material/Dialog";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import Typography from "@mui/material/Typography";
import { useEffect, useRef } from "react";
import { t } from "../texts";

export type Keys = Record<string, () => void>;

const SEQUENCE_MS = 1_200;

/** Binds keys while the component is shown. Keys in fields and dialogs are left alone. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    let prefix = "";
    let at = 0;
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector("[role=dialog]")) return;
      const sequence = performance.now() - at < SEQUENCE_MS ? prefix + event.key : event.key;
      prefix = event.key === "g" ? "g " : "";
      at = performance.now();
      const run = latest.current[sequence];
      if (!run) return;
      event.preventDefault();
      run();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

export function KeyHelp(props: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={props.open} onClose={props.onClose} aria-labelledby="key-help" maxWidth="md">
      <DialogTitle id="key-help">{t.help.title}</DialogTitle>
      {/* It scrolls on a small screen, and must then be reached by keyboard. */}
      <DialogContent tabIndex={0}>
        <Box sx={{ display: "grid", gap: 4, gridTemplateColumns: { md: "repeat(3, auto)" } }}>
          {t.help.groups.map((group) => (
            <Box key={group.name}>
              <Typography variant="h3" color="textSecondary" sx={{ mb: 1 }}>
                {group.name}
              </Typography>
              <Box component="dl" sx={{ m: 0, display: "grid", gap: 0.75 }}>
                {group.keys.map(([key, meaning]) => (
                  <Box key={key} sx={{ display: "flex", gap: 1.5, alignItems: "baseline" }}>
                    <Box component="dt" sx={{ minWidth: 56 }}>
                      <Box component="kbd" sx={keyStyle}>
                        {key}
                      </Box>
                    </Box>
                    <Typography component="dd" variant="body2" sx={{ m: 0 }}>
                      {meaning}
                    </Typography>
                  </Box>
                ))}
              </Box>
            </Box>
          ))}
        </Box>
      </DialogContent>
    </Dialog>
  );
}

const keyStyle = {
  font: "inherit",
  fontSize: "0.8rem",
  fontWeight: 600,
  px: 0.9,
  py: 0.2,
  borderRadius: "6px",
  border: 1,
  borderBottomWidth: 2,
  borderColor: "divider",
  bgcolor: "sunken",
  whiteSpace: "pre",
} as const;
