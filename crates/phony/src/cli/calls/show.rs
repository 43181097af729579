//! Prints lists of calls, and single calls.

use jiff::Timestamp;
use phony_call::EndReason;
use serde_json::Value;

use crate::cli::printer::{clock, why};
use crate::cli::ui::{Style, Ui, clean};

/// Prints a page of calls, one line each.
pub(super) fn list(ui: Ui, page: &(Vec<Value>, bool), json: bool) -> anyhow::Result<()> {
    let (calls, more) = page;
    if json {
        ui.print_line(&serde_json::to_string_pretty(calls)?);
        return Ok(());
    }
    for call in calls {
        let text = |name: &str| clean(call[name].as_str().unwrap_or_default());
        if is_order(call) {
            let about = if call["scenario"].is_null() { "agent" } else { "scenario" };
            ui.print_line(&format!(
                "{}  {}  {}  {} → {}  {}  {}, ordered by {}",
                ui.paint(Style::Strong, &text("orderId")),
                date(&text("startedAt")),
                text("status"),
                text("from"),
                text("to"),
                text(about),
                text("reason"),
                orderer(call),
            ));
            continue;
        }
        let style = if call["live"] == true { Style::Agent } else { Style::Faint };
        let lasted = call["durationMs"].as_u64().map_or_else(String::new, clock);
        ui.print_line(&format!(
            "{}  {}  {}  {lasted:>9}  {} → {}  {}  {}",
            ui.paint(Style::Strong, &text("callSid")),
            date(&text("startedAt")),
            ui.paint(style, &format!("{:<5}", text("status"))),
            text("from"),
            text("to"),
            text("agent"),
            ui.paint(Style::Faint, reason(&call["endReason"])),
        ));
        if let Some(words) = call["match"]["text"].as_str() {
            ui.print_line(&format!("    «{}»", clean(words)));
        }
    }
    if calls.is_empty() {
        ui.print_line("There are no such calls.");
    } else if *more {
        ui.print_line(
            &ui.paint(Style::Faint, "There are more: --limit COUNT, --search TEXT, --live"),
        );
    }
    Ok(())
}

/// Prints one call: who, when, how it went, and what was said.
pub(super) fn show(ui: Ui, call: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        ui.print_line(&serde_json::to_string_pretty(call)?);
        return Ok(());
    }
    let text = |name: &str| clean(call[name].as_str().unwrap_or_default());
    let row = |name: &str, value: &str| {
        if !value.trim().is_empty() {
            ui.print_line(&format!("{} {value}", ui.paint(Style::Faint, &format!("{name:<9}"))));
        }
    };
    if is_order(call) {
        row("order", &ui.paint(Style::Strong, &text("orderId")));
        row("parties", &format!("{} → {}", text("from"), text("to")));
        row("scenario", &text("scenario"));
        row("agent", &text("agent"));
        row("ordered", &format!("{} by {}", date(&text("startedAt")), orderer(call)));
        row("status", &text("status"));
        row("rule", &text("rule"));
        row("reason", &text("reason"));
        return Ok(());
    }
    row("call", &ui.paint(Style::Strong, &text("callSid")));
    row("parties", &format!("{} → {}, {}", text("from"), text("to"), text("direction")));
    row("agent", &text("agent"));
    row("began", &date(&text("startedAt")));
    row("status", &status(call, &text("status")));
    row("asks", &text("question"));
    row("held", &text("heldReply"));
    if call["human"] == true {
        let is_there = call["unattendedSince"].is_null();
        let who = if is_there { "a human" } else { "a human, who is not there" };
        row("speaks", &format!("{who}; /release in `phony calls tail` lets the AI go on"));
    }
    row("cost", &format!("${:.4}", call["costUsd"].as_f64().unwrap_or_default()));
    ui.print_line("");
    let began = call["startedAt"].as_str().and_then(time);
    for turn in call["turns"].as_array().into_iter().flatten() {
        let part = |name: &str| clean(turn[name].as_str().unwrap_or_default());
        let since = began.zip(turn["at"].as_str().and_then(time));
        let ms = since.map_or(0, |(began, at)| at.duration_since(began).as_millis());
        let at = ui.paint(Style::Faint, &clock(u64::try_from(ms).unwrap_or(0)));
        let who = match (part("speaker").as_str(), part("source").as_str()) {
            ("assistant", "supervisor") => "supervisor".to_owned(),
            ("assistant", _) => "agent".to_owned(),
            (other, _) => other.to_owned(),
        };
        let style =
            if who == "agent" || who == "supervisor" { Style::Agent } else { Style::Caller };
        let cut = if turn["interrupted"] == true { " (interrupted)" } else { "" };
        ui.print_line(&format!(
            "{at} {} {}{cut}",
            ui.paint(style, &format!("{who:<10}")),
            part("text")
        ));
    }
    Ok(())
}

/// Whether it is an order that led to no call.
fn is_order(call: &Value) -> bool {
    call["orderId"].is_string()
}

/// Who placed an order: the name, or the token's fingerprint.
fn orderer(order: &Value) -> String {
    let who = order["who"].as_str().or_else(|| order["by"].as_str());
    clean(who.unwrap_or("nobody known"))
}

fn status(call: &Value, status: &str) -> String {
    let lasted = call["durationMs"].as_u64().map_or_else(String::new, clock);
    match reason(&call["endReason"]) {
        "" => format!("{status} since {lasted}"),
        reason => format!("{status} after {lasted}: {reason}"),
    }
}

fn reason(code: &Value) -> &'static str {
    serde_json::from_value::<EndReason>(code.clone()).map_or("", why)
}

fn date(text: &str) -> String {
    time(text).map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
