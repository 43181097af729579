//! A relay session, from the application's side.

use phony_simulator::callers::{Action, Caller, LiveAction, LiveEvent, Step, When};
use phony_simulator::twilio::{End, Fate, TwilioOptions};
use phony_wire::twilio::relay::{FromTwilio, Info, ToTwilio};

use super::app::{HOST, NUMBER, PERSON, SOON, Sandbox, relay_twiml};

const EVENTS: &str = r#"events="speaker-events tokens-played""#;

#[tokio::test]
async fn a_session_begins_with_the_numbers_and_the_parameters_of_the_twiml() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay("");
    let sid = sandbox.ring(Caller::silent());
    let (mut relay, setup) = sandbox.app.relay().await;
    assert_eq!(setup.call_sid, sid);
    assert!(setup.session_id.starts_with("VX") && setup.session_id.len() == 34);
    assert_eq!((setup.from.as_str(), setup.to.as_str()), (PERSON, NUMBER));
    assert_eq!(setup.direction, "inbound");
    assert_eq!(setup.call_status, "RINGING");
    assert_eq!(setup.custom_parameters["token"], "secret");
    relay.send(&ToTwilio::End { handoff_data: Some("{\"why\":\"done\"}".into()) }).await;
    assert_eq!(relay.closed().await, 1000);
    let record = sandbox.end_of(&sid).await;
    let action = record.webhooks_for("action").next().expect("an action");
    assert_eq!(action.param("SessionStatus"), Some("ended"));
    assert_eq!(action.param("SessionId"), Some(setup.session_id.as_str()));
    assert_eq!(action.param("HandoffData"), Some("{\"why\":\"done\"}"));
    assert_eq!(action.param("CallStatus"), Some("in-progress"));
    assert_eq!(record.end, Some(End::TwimlEnded));
    let status = record.webhooks_for("status").next().expect("a status callback");
    assert_eq!(status.param("CallStatus"), Some("completed"));
    sandbox.stop().await;
}

#[tokio::test]
async fn each_clause_is_reported_once_it_has_been_heard() {
    // Slow enough that the tokens of a reply arrive well within the 700 ms that the voice waits.
    let mut sandbox = Sandbox::start(10.0).await;
    sandbox.app.answer_with_relay(&format!(r#"welcomeGreeting="Hello, I am Phony." {EVENTS}"#));
    let sid = sandbox.ring(Caller::silent());
    let (mut relay, _) = sandbox.app.relay().await;
    assert_eq!(relay.played().await, ["Hello,", "I am Phony."]);
    relay.send(&ToTwilio::text("How ", false)).await;
    relay.send(&ToTwilio::text("are you?", false)).await;
    relay.send(&ToTwilio::text("", true)).await;
    assert_eq!(relay.played().await, ["How are you?"]);
    relay.send(&ToTwilio::SendDigits { digits: "1w2#".into() }).await;
    assert_eq!(relay.played().await, ["1w2#"]);
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), "Hello, I am Phony. How are you?");
    assert_eq!(record.digits, "1w2#");
    let greeting = &record.heard[1];
    // 18 characters at 15 a second, after the greeting's delay.
    let spoken_ms = greeting.until_ms - record.heard[0].from_ms;
    assert!((1_190..=1_260).contains(&spoken_ms), "{spoken_ms}");
    sandbox.stop().await;
}

#[tokio::test]
async fn nothing_is_reported_that_the_twiml_did_not_subscribe_to() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay("");
    let caller = Caller::Script(vec![Step::reply("Fine."), Step::hang_up()]);
    let sid = sandbox.ring(caller);
    let (mut relay, _) = sandbox.app.relay().await;
    relay.say("How are you?").await;
    match relay.next().await {
        Some(FromTwilio::Prompt { voice_prompt, lang, last }) => {
            assert_eq!((voice_prompt.as_str(), lang.as_str(), last), ("Fine.", "en-US", true));
        }
        other => panic!("not a prompt: {other:?}"),
    }
    relay.say("Good.").await;
    assert_eq!(relay.closed().await, 1000);
    sandbox.end_of(&sid).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn speech_over_the_agent_interrupts_it_and_reports_how_much_was_heard() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer_with_relay(EVENTS);
    let caller = Caller::Script(vec![
        Step::interrupt(20, "Stop, I only want a new card."),
        Step::reply("Yes."),
    ]);
    let sid = sandbox.ring(caller);
    let (mut relay, _) = sandbox.app.relay().await;
    let text = "Life is a complex set of many things that happen to people all the time.";
    relay.say(text).await;
    relay.say("And this is never spoken.").await;
    let (utterance, ms) = loop {
        if let Some(FromTwilio::Interrupt {
            utterance_until_interrupt,
            duration_until_interrupt_ms,
        }) = relay.next().await
        {
            break (utterance_until_interrupt, duration_until_interrupt_ms.expect("a duration"));
        }
    };
    // 20 characters, and 150 ms of both speaking: 22 characters, which end within a word.
    assert_eq!(utterance, "Life is a complex set");
    assert!((1_480..=1_600).contains(&ms), "{ms}");
    assert_eq!(relay.prompt().await, "Stop, I only want a new card.");
    relay.say("Of course.").await;
    assert_eq!(relay.prompt().await, "Yes.");
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), "Life is a complex set Of course.");
    assert_eq!(record.interrupts.len(), 1);
    assert!(record.heard[0].cut);
    sandbox.stop().await;
}

#[tokio::test]
async fn speech_that_is_not_interruptible_is_heard_to_its_end_and_words_over_it_are_lost() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer_with_relay(r#"interruptible="none" dtmfDetection="true""#);
    let caller = Caller::Script(vec![
        Step::interrupt(10, "Hey!"),
        Step::new(When::After { ms: 0 }, Action::Press { digits: "5".to_owned() }),
        Step::new(When::AgentFinished { quiet_ms: 300 }, Action::Press { digits: "6#".to_owned() }),
    ]);
    let sid = sandbox.ring(caller);
    let (mut relay, _) = sandbox.app.relay().await;
    let text = "This call may be recorded for reasons that we cannot explain to you now.";
    relay.say(text).await;
    for key in ["6", "#"] {
        assert_eq!(relay.next().await, Some(FromTwilio::Dtmf { digit: key.to_owned() }));
    }
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), text);
    assert_eq!(record.said[0].fate, Fate::Lost);
    assert_eq!(record.pressed, "56#");
    assert!(record.interrupts.is_empty());
    sandbox.stop().await;
}

#[tokio::test]
async fn input_during_speech_is_reported_where_the_twiml_asks_for_it() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer_with_relay(
        r#"interruptible="none" reportInputDuringAgentSpeech="any" dtmfDetection="true""#,
    );
    let press = Action::Press { digits: "5".to_owned() };
    let sid = sandbox.ring(Caller::Script(vec![
        Step::interrupt(10, "Hey!"),
        Step::new(When::AgentSaid { chars: 12 }, press),
    ]));
    let (mut relay, _) = sandbox.app.relay().await;
    relay.say("This call may be recorded for reasons that we cannot explain to you now.").await;
    assert_eq!(relay.prompt().await, "Hey!");
    assert_eq!(relay.next().await, Some(FromTwilio::Dtmf { digit: "5".to_owned() }));
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    sandbox.end_of(&sid).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn noise_is_reported_as_speech_without_a_prompt() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay(EVENTS);
    let sid = sandbox.ring(Caller::Script(vec![
        Step::new(
            When::After { ms: 100 },
            Action::Say { text: "[noise]".to_owned(), for_ms: Some(300) },
        ),
        Step::new(When::After { ms: 2_000 }, Action::say("hello [noise] there")),
    ]));
    let (mut relay, _) = sandbox.app.relay().await;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        match relay.next().await.expect("a frame") {
            FromTwilio::Info(Info::ClientSpeaking { on, .. }) => seen.push(on.to_string()),
            FromTwilio::Prompt { voice_prompt, .. } => seen.push(voice_prompt),
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(seen, ["true", "false", "true", "false", "hello there"]);
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.said[0].fate, Fate::Noise);
    assert_eq!(record.said[1].fate, Fate::Reported);
    sandbox.stop().await;
}

#[tokio::test]
async fn partial_prompts_grow_and_the_last_one_repeats_the_whole() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer_with_relay(r#"partialPrompts="true""#);
    let words = "I would like to move my appointment to Tuesday";
    let sid =
        sandbox.ring(Caller::Script(vec![Step::new(When::After { ms: 10 }, Action::say(words))]));
    let (mut relay, _) = sandbox.app.relay().await;
    let mut partials = Vec::new();
    let whole = loop {
        match relay.next().await.expect("a frame") {
            FromTwilio::Prompt { voice_prompt, last: true, .. } => break voice_prompt,
            FromTwilio::Prompt { voice_prompt, .. } => partials.push(voice_prompt),
            other => panic!("unexpected: {other:?}"),
        }
    };
    assert_eq!(whole, words);
    assert!(partials.len() >= 4, "{partials:?}");
    assert!(partials.iter().all(|partial| words.starts_with(partial.as_str())));
    assert!(partials.windows(2).all(|pair| pair[0].len() <= pair[1].len()));
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    sandbox.end_of(&sid).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn ten_bad_frames_in_a_row_end_the_session_and_nine_do_not() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay("");
    let sid = sandbox.ring(Caller::silent());
    let (mut relay, _) = sandbox.app.relay().await;
    let bad = [r#"{"type":"stop"}"#, "not JSON", r#"{"type":"text"}"#];
    for index in 0..9 {
        let frame = bad[index % bad.len()];
        relay.send_text(frame).await;
        let description = format!("Invalid message received, code: 64107, {frame}");
        assert_eq!(relay.next().await, Some(FromTwilio::Error { description }));
    }
    relay.say("Still there.").await;
    for _ in 0..10 {
        relay.send_binary(b"\x00").await;
    }
    assert_eq!(relay.closed().await, 1007);
    let record = sandbox.end_of(&sid).await;
    let action = record.webhooks_for("action").next().expect("an action");
    assert_eq!(action.param("SessionStatus"), Some("failed"));
    assert_eq!(action.param("ErrorCode"), Some("64105"));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_dropped_socket_fails_and_the_action_can_connect_the_same_call_again() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer("/voice", &relay_twiml(""));
    sandbox.app.answer("/action", &relay_twiml(r#"welcomeGreeting="Back again.""#));
    sandbox.app.answer("/action", "<Response><Say>Goodbye.</Say><Hangup/></Response>");
    let sid = sandbox.ring(Caller::silent());
    let (relay, first) = sandbox.app.relay().await;
    drop(relay);
    let (relay, second) = sandbox.app.relay().await;
    assert_eq!(second.call_sid, first.call_sid);
    assert_ne!(second.session_id, first.session_id);
    assert_eq!(second.call_status, "IN_PROGRESS");
    relay.close(1000).await;
    let record = sandbox.end_of(&sid).await;
    for action in record.webhooks_for("action") {
        assert_eq!(action.param("SessionStatus"), Some("failed"));
        assert_eq!(action.param("ErrorCode"), Some("64105"));
        assert_eq!(action.param("CallStatus"), Some("in-progress"));
    }
    let codes: Vec<_> = record.sessions.iter().map(|session| session.close_code).collect();
    assert_eq!(codes, [Some(1006), Some(1000)]);
    assert!(record.heard_text().ends_with("Goodbye."), "{}", record.heard_text());
    assert_eq!(record.end, Some(End::TwimlEnded));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_hang_up_closes_the_socket_then_asks_the_action_then_tells_the_status() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay("");
    let sid = sandbox.ring(Caller::Script(vec![Step::hang_up()]));
    let (mut relay, _) = sandbox.app.relay().await;
    relay.say("Hello.").await;
    assert_eq!(relay.closed().await, 1000);
    let record = sandbox.end_of(&sid).await;
    let purposes: Vec<_> = record.webhooks.iter().map(|hook| hook.purpose.as_str()).collect();
    assert_eq!(purposes, ["voice", "action", "status"]);
    let action = &record.webhooks[1];
    assert_eq!(action.param("SessionStatus"), Some("completed"));
    assert_eq!(action.param("CallStatus"), Some("completed"));
    assert_eq!(record.end, Some(End::FarEndHungUp));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_refused_socket_is_busy_for_the_caller() {
    let sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay("");
    sandbox.app.refuse_sockets();
    let sid = sandbox.ring(Caller::silent());
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.end, Some(End::RelayRefused));
    assert_eq!(record.status, "busy");
    assert_eq!(record.sessions[0].error_code, Some(64102));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_live_caller_speaks_and_listens_from_outside() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay("");
    let (caller, mut line) = Caller::live();
    let sid = sandbox.ring(caller);
    let (mut relay, _) = sandbox.app.relay().await;
    assert_eq!(line.hear().await, Some(LiveEvent::Answered));
    assert!(line.act(LiveAction::Say("Anybody there?".to_owned())).await);
    assert_eq!(relay.prompt().await, "Anybody there?");
    relay.say("Yes, me.").await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        match line.hear().await.expect("an event") {
            LiveEvent::Heard(text) => heard.push(text),
            LiveEvent::AgentSpeaking(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(heard, ["Yes,", "me."]);
    assert!(line.act(LiveAction::HangUp).await);
    assert_eq!(relay.closed().await, 1000);
    sandbox.end_of(&sid).await;
    while let Some(event) = line.hear().await {
        assert!(matches!(event, LiveEvent::AgentSpeaking(false) | LiveEvent::Ended), "{event:?}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn misspelt_attributes_are_listed_in_the_record() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer_with_relay(r#"dtmfdetection="true""#);
    let sid = sandbox.ring(Caller::silent());
    let (mut relay, _) = sandbox.app.relay().await;
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    let record = sandbox.end_of(&sid).await;
    let unknown = &record.webhooks_for("voice").next().expect("a webhook").unknown;
    assert_eq!(unknown, &["ConversationRelay@dtmfdetection"]);
    sandbox.stop().await;
}

#[tokio::test]
async fn stopping_the_network_ends_running_calls() {
    let mut sandbox = Sandbox::start(1.0).await;
    sandbox.app.answer_with_relay("");
    let sid = sandbox.ring(Caller::silent());
    let (mut relay, _) = sandbox.app.relay().await;
    relay.say("This would take quite some seconds to say at the pace of real speech.").await;
    let talks = sandbox.twilio.wait_for(&sid, |record| !record.frames.is_empty(), SOON).await;
    talks.expect("frames");
    sandbox.stop().await;
    relay.closed().await;
}

#[tokio::test]
async fn a_hundred_calls_run_at_once() {
    let mut sandbox = Sandbox::start_with(TwilioOptions {
        speed: 20.0,
        keep_frames: false,
        ..TwilioOptions::default()
    })
    .await;
    sandbox.app.answer_with_relay(r#"welcomeGreeting="Hello.""#);
    let caller = Caller::Script(vec![Step::reply("Bye."), Step::hang_up()]);
    let sids: Vec<_> = (0..100).map(|_| sandbox.ring(caller.clone())).collect();
    let mut relays = Vec::new();
    for _ in 0..100 {
        relays.push(sandbox.app.relay().await.0);
    }
    for relay in &mut relays {
        assert_eq!(relay.prompt().await, "Bye.");
        relay.say("Goodbye.").await;
    }
    for sid in sids {
        let record = sandbox.end_of(&sid).await;
        assert_eq!(record.heard_text(), "Hello. Goodbye.");
        assert_eq!(record.end, Some(End::FarEndHungUp));
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn other_verbs_are_carried_out_in_order() {
    let sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer(
        "/voice",
        &format!(
            r#"<Response><Say>One.</Say><Pause length="2"/><Play digits="12"/><Redirect>https://{HOST}/next</Redirect></Response>"#
        ),
    );
    sandbox.app.answer(
        "/next",
        r#"<Response><Dial action="/dialled"><Number>+14155550199</Number></Dial></Response>"#,
    );
    sandbox.app.answer("/dialled", "<Response><Say>Two.</Say></Response>");
    let sid = sandbox.ring(Caller::silent());
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), "One. Two.");
    assert_eq!(record.digits, "12");
    assert_eq!(record.dialled[0].to, "+14155550199");
    let dialled = record.webhooks_for("dial-action").next().expect("a dial action");
    assert_eq!(dialled.param("DialCallStatus"), Some("completed"));
    assert_eq!(record.end, Some(End::TwimlEnded));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_call_can_be_rejected() {
    let sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer("/voice", r#"<Response><Reject reason="busy"/></Response>"#);
    let sid = sandbox.ring(Caller::silent());
    let record = sandbox.end_of(&sid).await;
    assert_eq!((record.end, record.status.as_str()), (Some(End::Rejected), "busy"));
    assert_eq!(record.answered_ms, None);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_preemptible_reply_gives_way_to_the_next_without_an_interruption() {
    let mut sandbox = Sandbox::start(10.0).await;
    sandbox.app.answer_with_relay(EVENTS);
    let sid = sandbox.ring(Caller::silent());
    let (mut relay, _) = sandbox.app.relay().await;
    let filler = ToTwilio::Text {
        token: "One moment please while I look that up for you in the book.".into(),
        last: true,
        lang: None,
        interruptible: None,
        preemptible: Some(true),
    };
    relay.send(&filler).await;
    let speaking = relay.next().await;
    assert!(
        matches!(speaking, Some(FromTwilio::Info(Info::AgentSpeaking { on: true, .. }))),
        "{speaking:?}"
    );
    relay.say("Here it is.").await;
    let fragment = relay.played().await.join(" ");
    assert_eq!(relay.played().await, ["Here it is."]);
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), format!("{fragment} Here it is.").trim());
    assert!(record.interrupts.is_empty());
    assert!(record.heard_text().len() < 50, "{}", record.heard_text());
    sandbox.stop().await;
}

#[tokio::test]
async fn a_key_interrupts_the_agent_where_keys_may() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer_with_relay(r#"interruptible="dtmf" dtmfDetection="true""#);
    let press = Action::Press { digits: "0".to_owned() };
    let sid = sandbox.ring(Caller::Script(vec![
        Step::interrupt(8, "hello"),
        Step::new(When::AgentSaid { chars: 8 }, press),
    ]));
    let (mut relay, _) = sandbox.app.relay().await;
    relay.say("For cards press one, for accounts press two, for all else wait for a person.").await;
    let mut interrupted = false;
    loop {
        match relay.next().await.expect("a frame") {
            FromTwilio::Interrupt { .. } => interrupted = true,
            FromTwilio::Dtmf { digit } => {
                assert_eq!((digit.as_str(), interrupted), ("0", true));
                break;
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    relay.send(&ToTwilio::End { handoff_data: None }).await;
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.interrupts.len(), 1);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_speaking_is_reported_where_the_twiml_asks_for_it() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer_with_relay(r#"partialPromptOnHangup="true" partialPrompts="true""#);
    let (caller, line) = Caller::live();
    let sid = sandbox.ring(caller);
    let (mut relay, _) = sandbox.app.relay().await;
    let words = "I wanted to tell you about the noise in the night that kept us all awake";
    assert!(line.act(LiveAction::Say(words.to_owned())).await);
    let partial = relay.next().await;
    assert!(matches!(partial, Some(FromTwilio::Prompt { last: false, .. })), "{partial:?}");
    assert!(line.act(LiveAction::HangUp).await);
    let prompt = relay.prompt().await;
    assert!(words.starts_with(&prompt) && prompt.len() < words.len(), "{prompt}");
    assert_eq!(relay.closed().await, 1000);
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.said[0].fate, Fate::Reported);
    sandbox.stop().await;
}
