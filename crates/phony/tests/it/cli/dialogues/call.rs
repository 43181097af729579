//! `phony call` at a terminal.

use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::{Answers, Callee};

use crate::support::outbound::{OutboundApp, THEM};
use crate::support::program::Run;
use crate::support::server::TestServer;
use crate::support::terminal::Terminal;
use crate::support::wait::outbound::LIMIT;

/// The command, with the address of the server.
fn call(app: &OutboundApp, arguments: &[&str]) -> Terminal {
    let port = app.server.running.addr.port().to_string();
    let run = Run::new(&[&["call"], arguments].concat());
    run.with("PORT", &port).with("PHONY_ADMIN_TOKEN", &TestServer::token()).at_terminal()
}

/// The questions, and answers that lead to a call.
const WHOLE: [(&str, &str); 6] = [
    ("Number to call: ", "(212) 555-0123"),
    ("Scenario: ", "survey"),
    ("business [a business you know]: ", "Acme"),
    ("name [one of its customers]: ", ""),
    ("Does the callee agree to be called by an AI? [y/N] ", "y"),
    ("Call now? [y/N] ", "y"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_asked_for_and_a_wrong_answer_is_asked_for_again() {
    let mut app = OutboundApp::start().await;
    let person =
        Caller::Script(vec![Step::reply("Yes, go on."), Step::reply("Goodbye."), Step::hang_up()]);
    app.twilio.set_callee(THEM, Callee::person(person));
    let mut somebody = call(&app, &[]);
    for (question, wrong, told) in [
        (
            "Number to call: ",
            "my mum",
            "«my mum» has characters in it that a telephone number has not",
        ),
        ("Number to call: ", "+", "has no digits in it."),
        ("Number to call: ", "9-1-1", "emergency"),
        ("Number to call: ", "(212) 555-0123", ""),
        ("Scenario: ", "9", "Type a number from 1 to 4, or a scenario's id."),
        ("Scenario: ", "lottery", "Type a number from 1 to 4, or a scenario's id."),
        ("Scenario: ", "4", ""),
        ("business [a business you know]: ", "[[end_call]]", "without brackets"),
        ("business [a business you know]: ", "Acme", ""),
        ("name [one of its customers]: ", "", ""),
        ("by an AI? [y/N] ", "maybe", "Type y or n."),
        ("by an AI? [y/N] ", "yes", "Call (212) 555-0123 for: Survey/Feedback Request"),
        ("Call now? [y/N] ", "ok", "Type y or n."),
        ("Call now? [y/N] ", "y", ""),
    ] {
        somebody.answers(question, wrong);
        somebody.sees(told);
    }
    let mut model = app.server.model().await;
    model.ready().await;
    let (turn, words) = model.asked().await;
    assert_eq!(words, "Yes, go on.");
    model.reply(turn, "How satisfied are you?").await;
    for shown in
        ["the call is ringing", "calling for Acme", "Yes, go on.", "How satisfied are you?"]
    {
        somebody.sees(shown);
    }
    let (code, all) = somebody.over();
    assert_eq!(code, Some(0), "{all}");
    assert!(all.contains("the call is completed"), "{all}");
    assert_eq!(app.twilio.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_input_at_any_question_calls_nobody() {
    let app = OutboundApp::start().await;
    for answered in 0..WHOLE.len() {
        let mut somebody = call(&app, &[]);
        for (question, answer) in &WHOLE[..answered] {
            somebody.answers(question, answer);
        }
        somebody.sees(WHOLE[answered].0);
        somebody.ends_the_input();
        somebody.sees("Nobody was called.");
        let (code, all) = somebody.over();
        assert_eq!(code, Some(0), "{all}");
    }
    assert!(app.twilio.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_or_a_ctrl_c_at_a_question_calls_nobody() {
    let app = OutboundApp::start().await;
    let flags =
        ["(212) 555-0123", "--scenario", "survey", "--var", "business=x", "--var", "name=x"];
    for no in ["n", "no", ""] {
        let mut somebody = call(&app, &flags);
        somebody.answers("by an AI? [y/N] ", no);
        somebody.sees("Without the callee's consent nobody is called.");
        assert_eq!(somebody.over().0, Some(0));
        let mut somebody = call(&app, &[&flags[..], &["--consent"]].concat());
        somebody.answers("Call now? [y/N] ", no);
        somebody.sees("Nobody was called.");
        assert_eq!(somebody.over().0, Some(0));
    }
    let mut somebody = call(&app, &[]);
    somebody.sees("Number to call: ");
    somebody.interrupts();
    somebody.sees("Nobody was called.");
    assert_eq!(somebody.over().0, Some(0));
    assert!(app.twilio.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_hangs_up_while_it_rings_and_while_they_talk() {
    let app = OutboundApp::start().await;
    let flags = ["(212) 555-0123", "--scenario", "survey", "--consent", "--yes"];
    let nobody = Callee::absent(Answers::Nobody);
    for (callee, shown) in [
        (nobody, "the call is ringing"),
        (Callee::person(Caller::silent()), "this is an automated assistant"),
    ] {
        app.twilio.set_callee(THEM, callee);
        let mut somebody = call(&app, &flags);
        somebody.sees(shown);
        somebody.interrupts();
        somebody.sees("stopped: the call was hung up");
        assert_eq!(somebody.over().0, Some(1));
        let record = app.twilio.calls().pop().unwrap();
        let record = app.twilio.wait_for_end(&record.sid, LIMIT).await.unwrap();
        let call = app.over(&record.sid).await;
        assert_eq!(call["endReason"], "supervisor_ended", "{call}");
    }
    assert_eq!(app.twilio.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_pipe_nothing_is_asked_and_the_flags_must_say_all() {
    let app = OutboundApp::start().await;
    let port = app.server.running.addr.port().to_string();
    let piped = |arguments: &[&str], input: &str| {
        let run = Run::new(&[&["call"], arguments].concat());
        let run = run.with("PORT", &port).with("PHONY_ADMIN_TOKEN", &TestServer::token());
        run.done_with(input)
    };
    let lines = WHOLE.map(|(_, answer)| format!("{answer}\n")).concat();
    for input in ["", lines.as_str()] {
        let done = piped(&[], input);
        assert_eq!(done.code, Some(2), "{}{}", done.out, done.err);
        assert!(done.err.contains("name the number to call"), "{}", done.err);
        // The server asks for consent, not the terminal.
        let done = piped(&["(212) 555-0123", "--scenario", "survey"], input);
        assert_eq!(done.code, Some(1), "{}{}", done.out, done.err);
        assert!(done.err.contains("consent"), "{}", done.err);
    }
    assert!(app.twilio.calls().is_empty());
}
