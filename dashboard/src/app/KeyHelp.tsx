/** The list of keyboard shortcuts. */
import Box from "@mui/material/Box";
import Dialog from "@mui/material/Dialog";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import Typography from "@mui/material/Typography";
import { t } from "../texts/index";

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
