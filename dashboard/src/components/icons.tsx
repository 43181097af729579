/** The page's own line icons, drawn on a grid of 24 with a stroke of 1.8. */
import { createSvgIcon } from "@mui/material/utils";

const stroke = {
  fill: "none",
  stroke: "currentColor",
  strokeWidth: 1.8,
  strokeLinecap: "round",
  strokeLinejoin: "round",
} as const;

const icon = (path: string) => createSvgIcon(<path {...stroke} d={path} />, "Line");

export const BoardIcon = icon("M4 5h7v8H4zM4 17h7v3H4zM15 5h5v3h-5zM15 12h5v8h-5z");
export const HistoryIcon = icon("M4 12a8 8 0 1 0 2.6-5.9M4 4.5V8h3.5M12 7.5V12l3 2");
export const NewCallIcon = icon(
  "M6 4h3l1.5 4-2 1.5a11 11 0 0 0 5 5l1.5-2 4 1.5v3a2 2 0 0 1-2 2A14 14 0 0 1 4 6a2 2 0 0 1 2-2zM17 3v6M14 6h6",
);
export const AgentsIcon = icon(
  "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-3.5 2.5-5.5 6-5.5s6 2 6 5.5M16 4.5a3.5 3.5 0 0 1 0 6.5M17.5 14.8c2.2.6 3.5 2.4 3.5 5.2",
);
export const HealthIcon = icon("M3 12h4l2.5-6 4.5 12 2.5-6H21");
export const SunIcon = icon(
  "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3l1.7 1.7M17 17l1.7 1.7M5.3 18.7 7 17M17 7l1.7-1.7",
);
export const MoonIcon = icon("M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z");
export const HelpIcon = icon(
  "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.8v.2",
);
export const ExitIcon = icon("M14 4H6v16h8M10 12h11M17.5 8.5 21 12l-3.5 3.5");
export const BellIcon = icon("M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5h4");
export const BellOffIcon = icon("M6 16V11a6 6 0 0 1 9-5.2M18 10v6l1.5 2h-15M10 20.5h4M4 3l16 18");
export const EyeIcon = icon(
  "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
);
export const EyeOffIcon = icon(
  "M9.5 5.8A9 9 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-3 3.7M6 7.5A16 16 0 0 0 2.5 12S6 18.5 12 18.5a9 9 0 0 0 4-1M4 3l16 18",
);
export const BackIcon = icon("M19 12H5M11 6l-6 6 6 6");
export const DownIcon = icon("M12 5v14M6 13l6 6 6-6");
export const LinkIcon = icon(
  "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1-1",
);
export const HangUpIcon = icon("M3 13.5c5-5 13-5 18 0l-2.5 3-4-1.5v-3a9 9 0 0 0-5 0v3l-4 1.5z");
export const SoftphoneIcon = icon(
  "M4 13a8 8 0 0 1 16 0M4 13v4a2 2 0 0 0 2 2h1.5v-6H4zM20 13v3.5a3.5 3.5 0 0 1-3.5 3.5H13M20 13h-3.5v6H18",
);
