/**
 * A field for several lines that grows with its text, by the browser's own means: measuring the
 * text by script takes seconds for what somebody may paste. Where the browser cannot, it scrolls.
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
