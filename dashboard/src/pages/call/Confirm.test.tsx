import { screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { draw } from "../../testing/index";
import { Confirm } from "./Confirm";

function ask(open = true) {
  const onClose = vi.fn();
  const onConfirm = vi.fn();
  const texts = { title: "End this call?", lead: "It cannot be undone.", action: "End call" };
  const { user } = draw(<Confirm open={open} {...texts} onClose={onClose} onConfirm={onConfirm} />);
  return { user, onClose, onConfirm };
}

test("says what is asked, and confirms once, then closes", async () => {
  const { user, onClose, onConfirm } = ask();
  expect(screen.getByRole("dialog", { name: "End this call?" })).toBeTruthy();
  expect(screen.getByText("It cannot be undone.")).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "End call" }));
  expect(onConfirm).toHaveBeenCalledTimes(1);
  expect(onClose).toHaveBeenCalledTimes(1);
});

test("Enter confirms, as the button has the focus", async () => {
  const { user, onConfirm } = ask();
  await waitFor(() =>
    expect(document.activeElement).toBe(screen.getByRole("button", { name: "End call" })),
  );
  await user.keyboard("{Enter}");
  expect(onConfirm).toHaveBeenCalledTimes(1);
});

test.each(["Cancel", "Escape"])("%s closes without confirming", async (way) => {
  const { user, onClose, onConfirm } = ask();
  if (way === "Cancel") await user.click(screen.getByRole("button", { name: "Cancel" }));
  else await user.keyboard("{Escape}");
  expect(onClose).toHaveBeenCalledTimes(1);
  expect(onConfirm).not.toHaveBeenCalled();
});

test("asks nothing while it is closed", () => {
  ask(false);
  expect(screen.queryByRole("dialog")).toBeNull();
});
