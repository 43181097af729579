//! The sections `[policy]`, `[prices]` and `[spend]`: the limits of a call and what it costs.

use phony_call::{Policy, Prices};
use phony_wire::openai::models;

use super::parse;
use super::reader::Reader;

/// The price of a minute of a relayed call, in US dollars: `ConversationRelay` and a local call in
/// the United States (Twilio, "Voice pricing").
const LINE_MINUTE: f64 = 0.07 + 0.014;

/// The policy: the built-in one and the model's prices, changed by the sections `[policy]` and
/// `[prices]`.
pub(super) fn policy(reader: &mut Reader, model: &str) -> Policy {
    let prices = Prices { minute: LINE_MINUTE, ..prices_of(model) };
    let mut policy = Policy { prices, ..Policy::default() };
    let p = &mut policy;
    for (key, length) in [
        ("policy.connect", &mut p.connect),
        ("policy.filler_after", &mut p.filler_after),
        ("policy.answer_limit", &mut p.answer_limit),
        ("policy.busy_pause", &mut p.busy_pause),
        ("policy.playback_slack", &mut p.playback_slack),
        ("policy.silence", &mut p.silence),
        ("policy.false_interrupt", &mut p.false_interrupt),
        ("policy.digits_pause", &mut p.digits_pause),
        ("policy.voice_limit", &mut p.voice_limit),
        ("policy.words_limit", &mut p.words_limit),
        ("policy.question_limit", &mut p.question_limit),
        ("policy.approval_limit", &mut p.approval_limit),
        ("policy.takeover_unattended", &mut p.takeover_unattended),
        ("policy.takeover_abandoned", &mut p.takeover_abandoned),
        ("policy.hold_line", &mut p.hold_phrase),
        ("policy.reconnect", &mut p.reconnect),
        ("policy.ring", &mut p.ring),
        ("policy.farewell", &mut p.farewell),
        ("policy.max_call", &mut p.max_call),
    ] {
        reader.set(key, length, parse::duration);
    }
    for (key, count) in [
        ("policy.retries", &mut p.retries),
        ("policy.reconnects", &mut p.reconnects),
        ("policy.chars_per_second", &mut p.chars_per_second),
        ("policy.nudges", &mut p.nudges),
        ("policy.line_losses", &mut p.line_losses),
        ("policy.self_turns", &mut p.self_turns),
    ] {
        reader.set(key, count, parse::whole);
    }
    for (key, price) in [
        ("prices.input_text", &mut p.prices.input_text),
        ("prices.input_audio", &mut p.prices.input_audio),
        ("prices.cached_text", &mut p.prices.cached_text),
        ("prices.cached_audio", &mut p.prices.cached_audio),
        ("prices.output_text", &mut p.prices.output_text),
        ("prices.output_audio", &mut p.prices.output_audio),
        ("prices.minute", &mut p.prices.minute),
    ] {
        reader.set(key, price, parse::price);
    }
    (p.soft_cost, p.hard_cost) = (8.0, 10.0);
    reader.set("spend.call_soft", &mut p.soft_cost, parse::dollars);
    reader.set("spend.call_hard", &mut p.hard_cost, parse::dollars);
    reader.set("policy.approval_timeout", &mut p.approval_timeout, |value| match value {
        "send" => Ok(phony_call::ApprovalTimeout::Send),
        "ask-again" => Ok(phony_call::ApprovalTimeout::AskAgain),
        _ => Err("is neither send nor ask-again".into()),
    });
    policy.chars_per_second = policy.chars_per_second.max(1);
    policy
}

/// The prices of the model's tokens; 0 for an unknown model.
fn prices_of(model: &str) -> Prices {
    let Some(model) = models::model(model) else { return Prices::default() };
    Prices {
        input_text: model.prices.text_in,
        input_audio: model.prices.audio_in,
        cached_text: model.prices.text_cached,
        cached_audio: model.prices.audio_cached,
        output_text: model.prices.text_out,
        output_audio: model.prices.audio_out,
        ..Prices::default()
    }
}
