//! Calls that are played without a user, and checked.

use std::time::Duration;

use anyhow::bail;
use phony_call::EndReason;
use phony_simulator::callers::{
    Action, Caller, OnTimeout, RecordedCall, Step, When, recorded_calls,
};
use phony_simulator::openai::Brain;

use super::DemoContext;
use super::viewer::{ViewedCall, Viewer, watch_lines};
use crate::cli::printer::{Totals, summary};
use crate::cli::serve::Signals;
use crate::cli::supervisor::Supervisor;
use crate::cli::ui::{Style, clean};
use crate::cli::{sim, until_stopped};
use crate::sandbox::{Audit, CALLER, NUMBER, Sandbox, SandboxOptions, audit};

/// The longest call, in its own time.
const LONGEST: Duration = Duration::from_mins(5);
/// The allowance on top of that, in real time.
const SLACK: Duration = Duration::from_secs(40);
/// The supervisor's answer to the question about a discount.
pub(super) const ANSWER: &str = "Yes, ten percent for this order";

/// What is expected of a call.
struct Expected {
    /// The fewest interruptions.
    interruptions: usize,
    /// The reasons for which it may end.
    ends: &'static [EndReason],
    /// Whether everything that the caller says must be answered.
    answered: bool,
}

/// A caller who interrupts, pauses, asks what only a supervisor can answer, and says goodbye.
fn caller() -> Caller {
    let after = |quiet_ms, text| Step::new(When::AgentFinished { quiet_ms }, Action::say(text));
    Caller::Script(vec![
        after(600, "Hi, I lost my debit card."),
        Step::interrupt(66, "Sorry, my name is Linda Brown."),
        after(2_000, "Could I get a discount on the fee?"),
        // The agent asks its supervisor first.
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
pub(super) async fn scripted(context: &DemoContext) -> anyhow::Result<()> {
    let expected = Expected {
        interruptions: 1,
        ends: &[EndReason::AgentEnded, EndReason::CallerHungUp],
        answered: true,
    };
    play(context, context.options(Brain::Receptionist), caller(), &expected).await
}

/// Replays one recorded conversation between people, or all of them.
pub(super) async fn recorded(context: &DemoContext, id: &str) -> anyhow::Result<()> {
    let calls = if id == "all" { recorded_calls() } else { vec![sim::recorded(id)?] };
    for call in &calls {
        let title = format!("Recording {}", call.id);
        context.ui.print_line(&context.ui.paint(Style::Strong, &title));
        Box::pin(replay(context, call)).await?;
        context.ui.print_line("");
    }
    if calls.len() > 1 {
        context
            .ui
            .print_line(&format!("All {} recordings were played, word for word.", calls.len()));
    }
    Ok(())
}

async fn replay(context: &DemoContext, call: &RecordedCall) -> anyhow::Result<()> {
    let expected = Expected {
        interruptions: 0,
        ends: &[EndReason::AgentEnded, EndReason::CallerHungUp],
        answered: false,
    };
    // The recording has the agent's side too, whatever model is configured.
    let options =
        SandboxOptions { brain: Some(sim::agent_of(call)), ..context.options(Brain::Echo) };
    play(context, options, Caller::Recorded(call.clone()), &expected).await
}

async fn play(
    context: &DemoContext,
    options: SandboxOptions,
    caller: Caller,
    expected: &Expected,
) -> anyhow::Result<()> {
    let (watch, mut moments) = watch_lines();
    let sandbox = Sandbox::start(SandboxOptions { watch: Some(watch), ..options }).await?;
    context.introduce(&sandbox).await;
    let (ui, speed) = (context.ui, context.speed);
    let supervisor = Supervisor::new(&sandbox.server, &sandbox.admin_token)?;
    let mut signals = Signals::new()?;
    let (moments, signals) = (&mut moments, &mut signals);
    let mut viewer = Viewer { ui, supervisor, moments, signals, speed, answer: ANSWER };
    let limit = LONGEST.div_f64(speed) + SLACK;
    let view = sandbox.view();
    let sid = sandbox.network.dial_in(CALLER, NUMBER, caller)?;
    let shown = tokio::select! {
        shown = viewer.view(view, ViewedCall::new(&sid, limit), None) => shown,
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
    ui.print_line("");
    for line in summary(ui, printer.totals(), audit.said, audit.heard) {
        ui.print_line(&line);
    }
    let faults = faults(&audit, printer.totals(), expected);
    if !faults.is_empty() {
        let faults: Vec<_> = faults.iter().map(|fault| format!("\n  {}", clean(fault))).collect();
        bail!("the call did not go as it must:{}", faults.concat());
    }
    ui.print_line(
        &ui.paint(
            Style::Strong,
            "  Every word said and heard is in the record, once and in order.",
        ),
    );
    Ok(())
}

/// What went wrong with a call.
fn faults(audit: &Audit, totals: &Totals, expected: &Expected) -> Vec<String> {
    let mut faults = audit.faults.clone();
    if expected.answered {
        let unanswered = audit.unanswered.iter();
        faults.extend(unanswered.map(|words| format!("nobody answered to «{words}»")));
    }
    if totals.caller_turns == 0 {
        faults.push("the caller was not heard".to_owned());
    }
    if totals.interruptions < expected.interruptions {
        faults.push("the caller could not interrupt the agent".to_owned());
    }
    match totals.end {
        Some((reason, _)) if expected.ends.contains(&reason) => {}
        end => faults.push(format!("it ended otherwise than it must: {end:?}")),
    }
    faults
}
