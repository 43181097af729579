/** The frame around every page: navigation, the state of the connection, settings. */
import Box from "@mui/material/Box";
import ButtonBase from "@mui/material/ButtonBase";
import IconButton from "@mui/material/IconButton";
import { useColorScheme } from "@mui/material/styles";
import Tooltip from "@mui/material/Tooltip";
import Typography from "@mui/material/Typography";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { ApiError, api } from "../api/client";
import {
  AgentsIcon,
  BellIcon,
  BellOffIcon,
  BoardIcon,
  ExitIcon,
  EyeIcon,
  EyeOffIcon,
  HealthIcon,
  HelpIcon,
  HistoryIcon,
  MoonIcon,
  NewCallIcon,
  SoftphoneIcon,
  SunIcon,
} from "../components/icons";
import { visuallyHidden } from "../components/pageStates";
import { failureText, useToast } from "../components/toasts";
import { follow, go, paths, type Route } from "../lib/router";
import { change, useSettings } from "../lib/settings";
import { useKeys } from "../lib/useKeys";
import { allowAlerts, endAlerts } from "../live/alerts";
import { phone } from "../softphone/index";
import { t } from "../texts/index";
import { ConnectionBanner, ConnectionDot } from "./ConnectionState";
import { KeyHelp } from "./KeyHelp";
import { SoundBanner } from "./SoundBanner";

const PAGES = [
  { page: "wallboard", Icon: BoardIcon },
  { page: "history", Icon: HistoryIcon },
  { page: "new", Icon: NewCallIcon },
  { page: "softphone", Icon: SoftphoneIcon },
  { page: "agents", Icon: AgentsIcon },
  { page: "health", Icon: HealthIcon },
] as const;

export function Shell(props: { page: Route["page"]; children: ReactNode }) {
  const [help, setHelp] = useState(false);
  useKeys({
    "?": () => setHelp(true),
    "g w": () => go(paths.wallboard),
    "g h": () => go(paths.history),
    "g n": () => go(paths.new),
    "g p": () => go(paths.softphone),
    "g a": () => go(paths.agents),
    "g s": () => go(paths.health),
    "/": () => go(paths.history),
  });
  return (
    <Box sx={shell}>
      <Box component="a" href="#content" sx={skipLink}>
        {t.shell.skip}
      </Box>
      <Navigation page={props.page} />
      <TopBar page={props.page} onHelp={() => setHelp(true)} />
      <Box
        component="main"
        id="content"
        tabIndex={-1}
        sx={{ gridArea: "main", overflow: "auto", outline: "none", minWidth: 0, minHeight: 0 }}
      >
        <ConnectionBanner />
        <SoundBanner />
        {props.children}
      </Box>
      <KeyHelp open={help} onClose={() => setHelp(false)} />
    </Box>
  );
}

function Navigation(props: { page: Route["page"] }) {
  const here = props.page === "call" ? "wallboard" : props.page;
  return (
    <Box component="nav" aria-label={t.shell.pages} sx={navigation}>
      <Box aria-hidden sx={mark}>
        <Box component="img" src={`${import.meta.env.BASE_URL}favicon.svg`} alt="" sx={logo} />
      </Box>
      {PAGES.map(({ page, Icon }) => (
        <ButtonBase
          key={page}
          href={paths[page]}
          aria-current={page === here ? "page" : undefined}
          onClick={(event) => follow(event, paths[page])}
          sx={navigationLink}
        >
          <Icon fontSize="small" />
          <span>{t.pages[page]}</span>
        </ButtonBase>
      ))}
    </Box>
  );
}

function TopBar(props: { page: Route["page"]; onHelp: () => void }) {
  const { masked, alerts } = useSettings();
  const { mode, systemMode, setMode } = useColorScheme();
  const dark = (mode === "system" ? systemMode : mode) === "dark";
  const title = props.page === "unknown" ? t.product : t.pages[props.page];
  const toast = useToast();
  const alert = async () => {
    toast((await allowAlerts()) ? t.shell.alertsBoth : t.shell.alertsSound);
  };
  return (
    <Box component="header" sx={topBar}>
      <Typography variant="h1" sx={props.page === "call" ? visuallyHidden : { mr: 1 }}>
        {title}
      </Typography>
      <ConnectionDot />
      <Box sx={{ flex: 1 }} />
      <ToolButton
        label={alerts ? t.shell.alertsOff : t.shell.alertsOn}
        onClick={() => {
          change({ alerts: !alerts });
          if (alerts) endAlerts();
          else void alert();
        }}
      >
        {alerts ? <BellIcon fontSize="small" /> : <BellOffIcon fontSize="small" />}
      </ToolButton>
      <ToolButton
        label={masked ? t.shell.unmask : t.shell.mask}
        onClick={() => change({ masked: !masked })}
      >
        {masked ? <EyeOffIcon fontSize="small" /> : <EyeIcon fontSize="small" />}
      </ToolButton>
      <ToolButton
        label={dark ? t.shell.light : t.shell.dark}
        onClick={() => setMode(dark ? "light" : "dark")}
      >
        {dark ? <SunIcon fontSize="small" /> : <MoonIcon fontSize="small" />}
      </ToolButton>
      <Box sx={{ display: { xs: "none", sm: "contents" } }}>
        <ToolButton label={t.shell.help} onClick={props.onHelp}>
          <HelpIcon fontSize="small" />
        </ToolButton>
      </Box>
      <Logout />
    </Box>
  );
}

function Logout() {
  const queries = useQueryClient();
  const toast = useToast();
  const leave = async () => {
    try {
      phone.hangUp();
      await api.logout();
      queries.setQueryData(["session"], false);
    } catch (error) {
      const missing = error instanceof ApiError && error.unavailable;
      toast(missing ? t.shell.logoutFailed : failureText(error), "error");
    }
  };
  return (
    <ToolButton label={t.shell.logout} onClick={() => void leave()}>
      <ExitIcon fontSize="small" />
    </ToolButton>
  );
}

function ToolButton(props: { label: string; onClick: () => void; children: ReactNode }) {
  return (
    <Tooltip title={props.label}>
      <IconButton aria-label={props.label} onClick={props.onClick} color="inherit">
        {props.children}
      </IconButton>
    </Tooltip>
  );
}

const shell = {
  height: "100dvh",
  display: "grid",
  gridTemplateColumns: { xs: "minmax(0, 1fr)", md: "5.5rem minmax(0, 1fr)" },
  gridTemplateRows: { xs: "auto minmax(0, 1fr) auto", md: "auto minmax(0, 1fr)" },
  gridTemplateAreas: { xs: '"top" "main" "nav"', md: '"nav top" "nav main"' },
} as const;

const navigation = {
  gridArea: "nav",
  display: "flex",
  flexDirection: { xs: "row", md: "column" },
  gap: 0.5,
  p: { xs: 0.5, md: 1 },
  pb: { xs: "max(4px, env(safe-area-inset-bottom))", md: 1 },
  bgcolor: "background.paper",
  borderRight: { md: 1 },
  borderTop: { xs: 1, md: 0 },
  borderColor: { xs: "divider", md: "divider" },
} as const;

const mark = {
  display: { xs: "none", md: "grid" },
  placeItems: "center",
  height: "3rem",
  mb: 1,
} as const;

const logo = { width: "2rem", height: "2rem" } as const;

const navigationLink = {
  flex: { xs: 1, md: "none" },
  flexDirection: "column",
  gap: 0.5,
  py: { xs: 0.75, md: 1.1 },
  borderRadius: "12px",
  color: "text.secondary",
  fontSize: "0.72rem",
  fontWeight: 550,
  "&:hover": { bgcolor: "sunken" },
  "&:focus-visible": { outline: 2, outlineColor: "primary.main", outlineOffset: -2 },
  "&[aria-current=page]": { color: "primary.main", bgcolor: "ai" },
} as const;

const topBar = {
  gridArea: "top",
  display: "flex",
  alignItems: "center",
  gap: 0.5,
  height: "3.5rem",
  px: { xs: 1.5, md: 3 },
  color: "text.secondary",
  "& h1": { color: "text.primary" },
} as const;

const skipLink = {
  ...visuallyHidden,
  "&:focus": {
    ...{ clipPath: "none", width: "auto", height: "auto", zIndex: 10, p: 1, m: 1 },
    ...{ bgcolor: "background.paper", color: "text.primary" },
  },
} as const;
