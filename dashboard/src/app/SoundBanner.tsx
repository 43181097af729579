/** Says that the browser blocks the sound of alerts, with a button that unblocks it. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { chime, useSoundBlocked } from "../live/sound";
import { t } from "../texts/index";

export function SoundBanner() {
  if (!useSoundBlocked()) return null;
  return (
    <Box role="status" sx={banner}>
      <Typography variant="body2">{t.shell.soundBlocked}</Typography>
      <Box sx={{ flex: 1 }} />
      <Button size="small" color="inherit" variant="outlined" onClick={() => chime()}>
        {t.shell.soundOn}
      </Button>
    </Box>
  );
}

const banner = {
  display: "flex",
  flexWrap: "wrap",
  alignItems: "center",
  gap: 1.5,
  px: { xs: 1.5, md: 3 },
  py: 1,
  mb: 1,
  bgcolor: "sunken",
  color: "text.primary",
  borderLeft: 4,
  borderColor: "warning.main",
} as const;
