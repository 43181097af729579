/**
 * A multi-line field that grows with its text by CSS (`field-sizing`): measuring a long pasted text
 * by script takes seconds. In browsers without `field-sizing` it scrolls.
 */
import type { InputBaseComponentProps } from "@mui/material/InputBase";
import TextField, { type TextFieldProps } from "@mui/material/TextField";
import { forwardRef } from "react";

export function AutoGrowField(props: TextFieldProps & { maxRows: number }) {
  const { maxRows, slotProps, ...rest } = props;
  return (
    <TextField
      {...rest}
      slotProps={{ ...slotProps, input: { inputComponent: Textarea, sx: grows(maxRows) } }}
    />
  );
}

const Textarea = forwardRef<HTMLTextAreaElement, InputBaseComponentProps>(
  function Textarea(props, ref) {
    const { type, ownerState, ...rest } = props;
    return <textarea {...rest} rows={1} ref={ref} />;
  },
);

const ROW_EM = 1.4375;

function grows(maxRows: number) {
  return {
    "& textarea": {
      fieldSizing: "content",
      boxSizing: "content-box",
      width: "100%",
      height: "auto",
      minHeight: `${ROW_EM}em`,
      maxHeight: `${ROW_EM * maxRows}em`,
      lineHeight: `${ROW_EM}em`,
      overflowY: "auto",
      resize: "none",
    },
  } as const;
}
