/** The first page: the figures, who waits for a human, every live call. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Paper from "@mui/material/Paper";
import Typography from "@mui/material/Typography";
import { useDeferredValue, useRef } from "react";
import { HealthIcon, NewCallIcon, SoftphoneIcon } from "../../components/icons";
import { useDoctor } from "../../lib/queries";
import { follow, paths } from "../../lib/router";
import { useKeys } from "../../lib/useKeys";
import { useConnection, useLiveCalls } from "../../live/index";
import { t } from "../../texts/index";
import { AttentionQueue } from "./AttentionQueue";
import { LiveList } from "./LiveList";
import { StatsBar } from "./StatsBar";

export default function Wallboard() {
  const sids = useDeferredValue(useLiveCalls());
  const connection = useConnection();
  const list = useRef<HTMLDivElement>(null);

  /** Moves the focus among the rows that are drawn; the list draws more as it scrolls. */
  const move = (step: 1 | -1) => {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>("a[data-row]") ?? [])];
    rows.sort((a, b) => Number(a.dataset.row) - Number(b.dataset.row));
    const at = rows.indexOf(document.activeElement as HTMLElement);
    rows[Math.max(0, Math.min(rows.length - 1, at + step))]?.focus();
  };
  useKeys({ j: () => move(1), k: () => move(-1) });

  return (
    <Box sx={{ px: { xs: 1.5, md: 3 }, pt: 0.75, pb: 3, display: "grid", gap: 2.5 }}>
      <StatsBar />
      <AttentionQueue />
      <Box component="section" aria-label={t.board.live} ref={list}>
        {sids.length > 0 && <LiveList sids={sids} />}
        {sids.length === 0 && connection.state !== "connecting" && <NoLiveCalls />}
      </Box>
    </Box>
  );
}

function NoLiveCalls() {
  return (
    <Paper variant="outlined" sx={{ p: { xs: 3, md: 6 }, display: "grid", justifyItems: "center" }}>
      <Typography variant="h1" component="h2">
        {t.board.quiet}
      </Typography>
      <Typography color="textSecondary" sx={{ mt: 0.5, textAlign: "center" }}>
        {t.board.quietLead}
      </Typography>
      <Box component="ul" sx={{ color: "text.secondary", my: 2.5, pl: 2.5, fontSize: "0.9rem" }}>
        {t.board.quietSteps.map((step) => (
          <Box component="li" key={step} sx={{ mb: 0.5 }}>
            {step}
          </Box>
        ))}
      </Box>
      <SetupChecklist />
      <Box sx={{ display: "flex", gap: 1.5, flexWrap: "wrap", justifyContent: "center" }}>
        <Button
          variant="contained"
          startIcon={<NewCallIcon />}
          href={paths.new}
          onClick={(event) => follow(event, paths.new)}
        >
          {t.board.place}
        </Button>
        <Button
          variant="outlined"
          startIcon={<SoftphoneIcon />}
          href={paths.softphone}
          onClick={(event) => follow(event, paths.softphone)}
        >
          {t.board.tryIt}
        </Button>
        <Button
          variant="outlined"
          startIcon={<HealthIcon />}
          href={paths.health}
          onClick={(event) => follow(event, paths.health)}
        >
          {t.board.seeHealth}
        </Button>
      </Box>
    </Paper>
  );
}

/** What the doctor would fix before the first call. */
function SetupChecklist() {
  const doctor = useDoctor();
  if (!doctor.data) return null;
  const open = doctor.data.findings.filter((finding) => finding.level !== "ok");
  if (open.length === 0) {
    return (
      <Typography variant="body2" color="textSecondary" sx={{ mb: 2.5 }}>
        {t.board.allSetUp}
      </Typography>
    );
  }
  return (
    <Box
      component="section"
      aria-label={t.board.setUp}
      sx={{ mb: 3, maxWidth: "38.75rem", width: "100%" }}
    >
      <Typography variant="h2" component="h3" sx={{ mb: 1 }}>
        {t.board.setUp}
      </Typography>
      <Box component="ul" sx={{ m: 0, p: 0, listStyle: "none", fontSize: "0.9rem" }}>
        {open.map(({ id, title, detail, mend, level }) => (
          <Box component="li" key={`${id} ${detail}`} sx={step}>
            <Box sx={{ color: level === "fail" ? "error.main" : "warning.main", fontWeight: 600 }}>
              {title}
            </Box>
            <Box sx={{ overflowWrap: "anywhere" }}>
              {detail}
              {mend && <Box sx={{ color: "text.secondary" }}>{mend}</Box>}
            </Box>
          </Box>
        ))}
      </Box>
    </Box>
  );
}

const step = {
  display: "grid",
  gap: { xs: 0.25, md: 2 },
  gridTemplateColumns: { md: "10rem minmax(0, 1fr)" },
  py: 1,
  "& + &": { borderTop: 1, borderColor: "divider" },
} as const;
