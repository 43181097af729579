//! Two AIs on the phone with each other take turns.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use phony::sandbox::{SandboxOptions, TempFolder};
use phony_simulator::openai::Brain;
use phony_simulator::twilio::{CallRecord, Sender, Watch};
use phony_wire::twilio::relay::{FromTwilio, Info};
use serde_json::{Value, json};

use crate::support::http;
use crate::support::sandbox::{config, sandbox};

/// How much faster than the clock they talk.
const SPEED: f64 = 8.0;
/// How long their whole conversation may take.
const TALK: Duration = Duration::from_secs(50);

/// When an AI began to sound or fell silent, and on which call.
type Sounds = Arc<Mutex<Vec<(String, bool, Instant)>>>;

/// Notes when the AIs sound.
#[expect(clippy::disallowed_methods, reason = "what sounds at the same time is a matter of clocks")]
fn listen(sounds: &Sounds) -> Watch {
    let sounds = Arc::clone(sounds);
    Watch::new(move |frame| {
        if frame.from == Sender::Twilio
            && let Ok(FromTwilio::Info(Info::AgentSpeaking { on, .. })) =
                FromTwilio::parse(frame.text)
        {
            sounds.lock().unwrap().push((frame.call_sid.to_owned(), on, Instant::now()));
        }
    })
}

/// The longest time for which both sounded.
fn longest_overlap(sounds: &[(String, bool, Instant)], near: &str) -> Duration {
    let (mut on, mut both, mut longest) = ([false, false], None, Duration::ZERO);
    for (call, sounds, at) in sounds {
        on[usize::from(call == near)] = *sounds;
        match (on, both) {
            ([true, true], None) => both = Some(*at),
            ([true, true], Some(_)) | (_, None) => {}
            (_, Some(since)) => {
                longest = longest.max(at.saturating_duration_since(since));
                both = None;
            }
        }
    }
    longest
}

#[tokio::test]
async fn whoever_is_called_greets_first_and_nobody_talks_over_the_other() {
    let folder = TempFolder::new().unwrap();
    let sounds = Sounds::default();
    let mut config = config(&folder);
    let ours = phony_call::PhoneNumber::parse(phony::sandbox::OURS).ok();
    config.dialing.hours.0 = None;
    config.dialing.allow(ours.as_ref().and_then(phony_call::Country::of).expect("a country"));
    config.twilio.phone_number = ours;
    let options = SandboxOptions {
        brain: Some(Brain::Receptionist),
        speed: SPEED,
        watch: Some(listen(&sounds)),
        ..SandboxOptions::new(config)
    };
    let sandbox = sandbox(options).await;
    let http = http::client();
    for (scenario, agent) in
        [("inquiry", "support"), ("survey", "hotline"), ("appointment", "scheduler")]
    {
        sounds.lock().unwrap().clear();
        let number = sandbox.numbers().find(|(_, id)| *id == agent).unwrap().0.to_owned();
        let order = json!({ "to": number, "scenario": scenario, "consent": true });
        let request = http.post(format!("http://{}/calls", sandbox.server.addr)).json(&order);
        let answer = request.bearer_auth("a-token-of-the-tests").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let sid = answer["callSid"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        // A few turns are enough.
        let talked = |record: &CallRecord| record.said.len() >= 3;
        let record = sandbox.network.wait_for(&sid, talked, TALK).await.unwrap();
        let sounds = sounds.lock().unwrap().clone();
        // Who is called sounds first; who calls hears that greeting before it opens.
        assert_ne!(sounds[0].0, sid, "{scenario}: {sounds:?}");
        assert!(record.heard_text().contains("automated assistant"), "{}", record.heard_text());
        for near in [true, false] {
            let began = sounds.iter().filter(|(call, on, _)| *on && (*call == sid) == near);
            assert!(began.count() >= 2, "{scenario}: {sounds:?}");
        }
        // The time of a barge-in, and the delays of a busy machine.
        let most = Duration::from_millis(150).div_f64(SPEED) + Duration::from_millis(60);
        let overlap = longest_overlap(&sounds, &sid);
        assert!(overlap <= most, "{scenario}: {overlap:?} of {sounds:?}");
        let end = http.post(format!("http://{}/override/end", sandbox.server.addr));
        let end = end.json(&json!({ "callSid": sid })).bearer_auth("a-token-of-the-tests");
        assert!(end.send().await.unwrap().status().is_success());
        sandbox.network.wait_for_end(&sid, TALK).await.unwrap();
    }
    sandbox.stop().await;
}
