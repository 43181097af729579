//! Calls that are played to their end by themselves, and must go as they should.

use std::time::Duration;

use anyhow::bail;
use phony_call::EndReason;

use super::Scenery;
use super::show::{Show, Shown, ear};
use crate::cli::printer::{Totals, summary};
use crate::cli::serve::Signals;
use crate::cli::supervisor::Supervisor;
use crate::cli::ui::{Style, clean};
use crate::cli::{sim, until_stopped};
use crate::sandbox::{Audit, CALLER, NUMBER, Sandbox, SandboxOptions, audit};
use phony_simulator::callers::{
    Action, Caller, OnTimeout, RecordedCall, Step, When, recorded_calls,
};
use phony_simulator::openai::Brain;

/// How long a call may take, in its own time.
const LONGEST: Duration = Duration::from_mins(5);
/// What is given to a call besides, by the clock.
const SLACK: Duration = Duration::from_secs(40);
/// What the supervisor answers to the question that the caller's wish leads to.
pub(super) const ANSWER: &str = "Yes, ten percent for this order";

/// How a call must go.
struct Must {
    /// It was to be interrupted at least so often.
    interruptions: usize,
    /// It may end for one of these reasons.
    ends: &'static [EndReason],
    /// The caller waits for an answer to all that they say.
    answered: bool,
}

/// One call: an interruption, a pause, a question that takes a supervisor, a goodbye.
fn caller() -> Caller {
    let after = |quiet_ms, text| Step::new(When::AgentFinished { quiet_ms }, Action::say(text));
    Caller::Script(vec![
        after(600, "Hi, I lost my debit card."),
        Step::interrupt(66, "Sorry, my name is Linda Brown."),
        after(2_000, "Could I get a discount on the fee?"),
        // The agent asks a colleague first; the answer is what is waited for.
        Step::new(When::Hears { text: "ten percent".into() }, Action::Wait),
        after(600, "That is kind. No thank you, bye!"),
        Step::new(When::Silence { ms: 6_000 }, Action::HangUp),
    ])
}

/// A caller who makes an appointment, which needs no supervisor.
pub(super) fn appointment_caller() -> Caller {
    Caller::Script(vec![
        Step::reply("Good morning, this is the assistant of Linda Brown. When are you open?"),
        Step::reply("Yes, I would like to book an appointment for her."),
        Step::reply("Tomorrow at ten in the morning, please."),
        Step::reply("No thank you, that is all. Goodbye!"),
        Step::hang_up(),
    ])
}

/// A caller who asks for a discount, which only the supervisor can grant.
pub(super) fn discount_caller() -> Caller {
    let answered = When::Hears { text: "else I can do for you?".to_owned() };
    Caller::Script(vec![
        Step::reply("Good morning, when are you open?"),
        Step::reply("I would like to come by. Could I get a discount, as a new customer?"),
        Step::new(answered, Action::say("No thank you, that is all. Goodbye!"))
            .with_timeout(120_000, OnTimeout::Proceed),
        Step::hang_up(),
    ])
}

/// Plays the scripted call.
pub(super) async fn scripted(scenery: &Scenery) -> anyhow::Result<()> {
    let must = Must {
        interruptions: 1,
        ends: &[EndReason::AgentEnded, EndReason::CallerHungUp],
        answered: true,
    };
    play(scenery, scenery.options(Brain::Receptionist), caller(), &must).await
}

/// Plays one conversation between people again, or all of them.
pub(super) async fn recorded(scenery: &Scenery, id: &str) -> anyhow::Result<()> {
    let calls = if id == "all" { recorded_calls() } else { vec![sim::recorded(id)?] };
    for call in &calls {
        let title = format!("Recording {}", call.id);
        scenery.ui.line(&scenery.ui.paint(Style::Strong, &title));
        Box::pin(play_again(scenery, call)).await?;
        scenery.ui.line("");
    }
    if calls.len() > 1 {
        scenery.ui.line(&format!("All {} recordings were played, word for word.", calls.len()));
    }
    Ok(())
}

async fn play_again(scenery: &Scenery, call: &RecordedCall) -> anyhow::Result<()> {
    let must = Must {
        interruptions: 0,
        ends: &[EndReason::AgentEnded, EndReason::CallerHungUp],
        answered: false,
    };
    // The agent's side is the recording's, whatever model is configured.
    let options =
        SandboxOptions { brain: Some(sim::agent_of(call)), ..scenery.options(Brain::Echo) };
    play(scenery, options, Caller::Recorded(call.clone()), &must).await
}

async fn play(
    scenery: &Scenery,
    options: SandboxOptions,
    caller: Caller,
    must: &Must,
) -> anyhow::Result<()> {
    let (watch, mut moments) = ear();
    let sandbox = Sandbox::start(SandboxOptions { watch: Some(watch), ..options }).await?;
    scenery.introduce(&sandbox).await;
    let (ui, speed) = (scenery.ui, scenery.speed);
    let supervisor = Supervisor::new(&sandbox.server, &sandbox.admin_token)?;
    let mut signals = Signals::new()?;
    let (moments, signals) = (&mut moments, &mut signals);
    let mut show = Show { ui, supervisor, moments, signals, speed, answer: ANSWER };
    let limit = LONGEST.div_f64(speed) + SLACK;
    let view = sandbox.view();
    let sid = sandbox.network.dial_in(CALLER, NUMBER, caller)?;
    let shown = tokio::select! {
        shown = show.call(view, Shown::call(&sid, limit), None) => shown,
        () = until_stopped() => Err(anyhow::anyhow!("stopped: the call was dropped")),
    };
    let (events, printer) = match shown {
        Ok(shown) => shown,
        Err(error) => {
            let record = sandbox.network.call(&sid).unwrap_or_default();
            sandbox.stop().await;
            return Err(error.context(format!("the call stood at {:?}", record.status)));
        }
    };
    let over = sandbox.network.wait_for_end(&sid, SLACK).await;
    sandbox.stop().await;
    let record = match over {
        Ok(record) => record,
        Err(record) => bail!("the phone network holds the call still ({})", record.status),
    };
    let audit = audit(&events, &record);
    ui.line("");
    for line in summary(ui, printer.totals(), audit.said, audit.heard) {
        ui.line(&line);
    }
    let faults = faults(&audit, printer.totals(), must);
    if !faults.is_empty() {
        let faults: Vec<_> = faults.iter().map(|fault| format!("\n  {}", clean(fault))).collect();
        bail!("the call did not go as it must:{}", faults.concat());
    }
    ui.line(
        &ui.paint(
            Style::Strong,
            "  Every word said and heard is in the record, once and in order.",
        ),
    );
    Ok(())
}

/// What went wrong with a call.
fn faults(audit: &Audit, totals: &Totals, must: &Must) -> Vec<String> {
    let mut faults = audit.faults.clone();
    if must.answered {
        let unanswered = audit.unanswered.iter();
        faults.extend(unanswered.map(|words| format!("nobody answered to «{words}»")));
    }
    if totals.caller_turns == 0 {
        faults.push("the caller was not heard".to_owned());
    }
    if totals.interruptions < must.interruptions {
        faults.push("the caller could not interrupt the agent".to_owned());
    }
    match totals.end {
        Some((reason, _)) if must.ends.contains(&reason) => {}
        end => faults.push(format!("it ended otherwise than it must: {end:?}")),
    }
    faults
}
