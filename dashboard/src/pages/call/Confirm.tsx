/** Asks for confirmation of what cannot be undone. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogContentText from "@mui/material/DialogContentText";
import DialogTitle from "@mui/material/DialogTitle";
import { useId } from "react";
import { t } from "../../texts/index";

export function Confirm(props: {
  open: boolean;
  title: string;
  lead: string;
  action: string;
  onClose: () => void;
  onConfirm: () => void;
}) {
  const id = useId();
  return (
    <Dialog open={props.open} onClose={props.onClose} aria-labelledby={id} maxWidth="xs" fullWidth>
      <DialogTitle id={id}>{props.title}</DialogTitle>
      <DialogContent>
        <DialogContentText>{props.lead}</DialogContentText>
      </DialogContent>
      <DialogActions>
        <Button onClick={props.onClose} color="inherit">
          {t.controls.cancel}
        </Button>
        <Button
          autoFocus
          color="error"
          variant="contained"
          onClick={() => {
            props.onConfirm();
            props.onClose();
          }}
        >
          {props.action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
