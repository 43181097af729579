/**
 * A field for several lines that grows with its text, by the browser's own means: measuring the
 * text by script takes seconds for what somebody may paste. Where the browser cannot, it scrolls.
 */
import type { InputBaseComponentProps } from "@mui/material/InputBase";
import TextField, { type TextFieldProps } from "@mui/material/TextField";
import { forwardRef } from "react";

export function Area(props: TextFieldProps & { lines: number }) {
  const { lines, slotProps, ...rest } = props;
  return (
    <TextField
      {...rest}
      slotProps={{ ...slotProps, input: { inputComponent: Lines, sx: grows(lines) } }}
    />
  );
}

const Lines = forwardRef<HTMLTextAreaElement, InputBaseComponentProps>(function Lines(props, ref) {
  const { type, ownerState, ...rest } = props;
  return <textarea {...rest} rows={1} ref={ref} />;
});

const LINE_EM = 1.4375;

function grows(lines: number) {
  return {
    "& textarea": {
      fieldSizing: "content",
      boxSizing: "content-box",
      width: "100%",
      height: "auto",
      minHeight: `${LINE_EM}em`,
      maxHeight: `${LINE_EM * lines}em`,
      lineHeight: `${LINE_EM}em`,
      overflowY: "auto",
      resize: "none",
    },
  } as const;
}
