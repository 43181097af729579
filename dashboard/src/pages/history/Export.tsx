/** The calls that are shown, and those after them, as a file. */
import Button from "@mui/material/Button";
import ListItemText from "@mui/material/ListItemText";
import Menu from "@mui/material/Menu";
import MenuItem from "@mui/material/MenuItem";
import { useId, useState } from "react";
import { EXPORT_FORMS, exportUrl } from "../../api/client";
import { DownIcon } from "../../components/icons";
import { serverClock } from "../../live/clock";
import { t } from "../../texts/index";

export function Export(props: { wanted: Record<string, string> }) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const id = useId();
  const open = anchor !== null;
  const close = () => setAnchor(null);
  // The day as it is here, so that files of several days lie side by side.
  const name = `phony-calls-${new Date(serverClock.now()).toLocaleDateString("sv-SE")}`;
  return (
    <>
      <Button
        id={`${id}b`}
        size="small"
        endIcon={<DownIcon fontSize="inherit" />}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? `${id}m` : undefined}
        onClick={(event) => setAnchor(event.currentTarget)}
      >
        {t.history.export}
      </Button>
      <Menu
        id={`${id}m`}
        open={open}
        anchorEl={anchor}
        onClose={close}
        slotProps={{ list: { "aria-labelledby": `${id}b` } }}
      >
        {EXPORT_FORMS.map((form) => (
          <MenuItem
            key={form}
            component="a"
            href={exportUrl(form, props.wanted)}
            download={`${name}.${form}`}
            onClick={close}
          >
            <ListItemText
              primary={t.history.forms[form].name}
              secondary={t.history.forms[form].holds}
            />
          </MenuItem>
        ))}
      </Menu>
    </>
  );
}
