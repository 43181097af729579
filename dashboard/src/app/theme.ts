/** The theme, light and dark: one accent, one colour for what needs attention, one for what destroys. */
import { createTheme } from "@mui/material/styles";

const font =
  '"Inter Variable", "Segoe UI Variable Text", "Segoe UI", system-ui, -apple-system, Roboto, "Noto Sans", "Liberation Sans", sans-serif';

/** Colours of a call's phases and of the people in it, besides the palette's own. */
declare module "@mui/material/styles" {
  interface Palette {
    caller: string;
    ai: string;
    human: string;
    raised: string;
    sunken: string;
  }
  interface PaletteOptions {
    caller: string;
    ai: string;
    human: string;
    raised: string;
    sunken: string;
  }
}

export const theme = createTheme({
  cssVariables: { colorSchemeSelector: "data" },
  colorSchemes: {
    light: {
      palette: {
        primary: { main: "#17665f", contrastText: "#ffffff" },
        secondary: { main: "#4a5b8c" },
        error: { main: "#b3261e" },
        warning: { main: "#9a5b00", contrastText: "#ffffff" },
        success: { main: "#2c6e3f" },
        info: { main: "#3a5f96" },
        background: { default: "#f6f7f9", paper: "#ffffff" },
        text: { primary: "#18212b", secondary: "#55616f" },
        divider: "#e2e6eb",
        caller: "#eef1f5",
        ai: "#e5f2f0",
        human: "#f6ecdc",
        raised: "#ffffff",
        sunken: "#eff1f4",
      },
    },
    dark: {
      palette: {
        primary: { main: "#6cc5ba", contrastText: "#06201d" },
        secondary: { main: "#a7b6e6" },
        error: { main: "#f2938b", contrastText: "#2b0805" },
        warning: { main: "#e6b566", contrastText: "#2a1b00" },
        success: { main: "#86cf9b" },
        info: { main: "#8fb4ea" },
        background: { default: "#0e1318", paper: "#151c23" },
        text: { primary: "#e4e9ee", secondary: "#9aa7b4" },
        divider: "#26303a",
        caller: "#1f2831",
        ai: "#16302f",
        human: "#33291a",
        raised: "#1a222a",
        sunken: "#10161c",
      },
    },
  },
  shape: { borderRadius: 10 },
  // Relative to the font size, which is larger on a wall display.
  spacing: (factor: number) => `${factor / 2}rem`,
  typography: {
    fontFamily: font,
    fontSize: 14,
    h1: { fontSize: "1.25rem", fontWeight: 650, letterSpacing: "-0.01em" },
    h2: { fontSize: "0.95rem", fontWeight: 650 },
    h3: { fontSize: "0.8rem", fontWeight: 650 },
    body1: { fontSize: "0.95rem", lineHeight: 1.5 },
    body2: { fontSize: "0.85rem", lineHeight: 1.45 },
    caption: { fontSize: "0.75rem", lineHeight: 1.4 },
    button: { textTransform: "none", fontWeight: 600 },
  },
  components: {
    MuiCssBaseline: {
      styleOverrides: {
        "html, body, #root": { height: "100%" },
        body: { fontVariantNumeric: "tabular-nums" },
        "@media (prefers-reduced-motion: reduce)": {
          "*, *::before, *::after": { animation: "none !important", transition: "none !important" },
        },
      },
    },
    MuiButton: { defaultProps: { disableElevation: true } },
    MuiPaper: { defaultProps: { elevation: 0 } },
    MuiTooltip: { defaultProps: { enterDelay: 400 } },
    MuiTextField: { defaultProps: { size: "small" } },
    // What MUI gives in pixels must scale with the font size, too.
    MuiInputLabel: {
      styleOverrides: {
        root: {
          variants: [
            {
              props: { size: "small", variant: "outlined" },
              style: { transform: "translate(14px, 0.5625rem) scale(1)" },
            },
            {
              props: { size: "small", variant: "outlined", shrink: true },
              style: { transform: "translate(14px, -0.5625rem) scale(0.75)" },
            },
          ],
        },
      },
    },
    MuiOutlinedInput: {
      styleOverrides: {
        input: {
          variants: [{ props: { size: "small" }, style: { paddingBlock: "0.53125rem" } }],
        },
      },
    },
  },
});
