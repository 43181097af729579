use super::*;

fn url() -> WssUrl {
    WssUrl::new("wss://phone.example/relay/ws").expect("it begins with wss")
}

fn again(document: &Twiml) -> Parsed {
    Twiml::parse(&document.to_xml()).expect("our own text can be read")
}

#[test]
fn a_relay_is_written_as_documented() {
    let mut relay = Relay::new(url()).parameter("token", "t0p");
    relay.options.interruptible = Some(Inputs::Any);
    relay.options.dtmf_detection = Some(true);
    relay.options.events = Some("speaker-events tokens-played".to_owned());
    relay.languages.push(Language { code: Some("es-ES".to_owned()), ..Language::default() });
    let document = Twiml::new().then(Verb::relay(relay, "https://phone.example/call_ended"));
    assert_eq!(
        document.to_xml(),
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<Response><Connect action="https://phone.example/call_ended">"#,
            r#"<ConversationRelay url="wss://phone.example/relay/ws" interruptible="any" "#,
            r#"dtmfDetection="true" events="speaker-events tokens-played">"#,
            r#"<Language code="es-ES"/><Parameter name="token" value="t0p"/>"#,
            r#"</ConversationRelay></Connect></Response>"#,
        )
    );
    assert_eq!(again(&document), Parsed { twiml: document, unknown: Vec::new() });
}

#[test]
fn every_attribute_survives_the_way_there_and_back() {
    let mut options = RelayOptions::default();
    for name in RelayOptions::NAMES {
        let word = |value: &str| options.clone().set(name, value).is_ok();
        let value = if word("text") {
            "text"
        } else if word("speech") {
            "speech"
        } else {
            "true"
        };
        options.set(name, value).expect("one of the three fits every attribute");
    }
    let relay = Relay { options, ..Relay::new(url()) };
    let document = Twiml::new().then(Verb::relay(relay, "/call_ended"));
    let xml = document.to_xml();
    for name in RelayOptions::NAMES {
        assert!(xml.contains(&format!(" {name}=\"")), "{name}");
    }
    assert_eq!(again(&document), Parsed { twiml: document, unknown: Vec::new() });
}

#[test]
fn the_attributes_are_those_of_the_documentation() {
    let documented = [
        "applicationReconnect",
        "asrSmartFormat",
        "backgroundNoiseReduction",
        "conversationConfiguration",
        "conversationId",
        "customerName",
        "debug",
        "deepgramSmartFormat",
        "dtmfDetection",
        "eagerEotThreshold",
        "echoPromptFiltering",
        "elevenlabsTextNormalization",
        "eotThreshold",
        "events",
        "hints",
        "ignoreBackchannel",
        "includeInPrompt",
        "intelligenceService",
        "interruptSensitivity",
        "interruptible",
        "language",
        "partialPromptOnHangup",
        "partialPrompts",
        "preemptible",
        "profanityFilter",
        "reportInputDuringAgentSpeech",
        "speechModel",
        "speechTimeout",
        "transcriptionLanguage",
        "transcriptionProvider",
        "ttsLanguage",
        "ttsLanguageTextNormalization",
        "ttsProvider",
        "ttsTextNormalization",
        "turnDetection",
        "voice",
        "welcomeGreeting",
        "welcomeGreetingInterruptible",
    ];
    let mut ours = RelayOptions::NAMES.to_vec();
    ours.sort_unstable();
    assert_eq!(ours, documented);
}

#[test]
fn configuration_names_attributes_and_is_told_what_is_wrong() {
    let mut options = RelayOptions::default();
    options.set("speechTimeout", "900").expect("any text fits");
    options.set("interruptible", "true").expect("an older spelling of any");
    assert_eq!(options.interruptible, Some(Inputs::Any));
    let typo = options.set("dtmfdetection", "true").expect_err("names are case-sensitive");
    assert_eq!(typo.to_string(), "no attribute is called `dtmfdetection`");
    let wrong = options.set("dtmfDetection", "perhaps").expect_err("it is true or false");
    assert_eq!(wrong.to_string(), "`perhaps` is not a value of the attribute `dtmfDetection`");
}

#[test]
fn every_verb_survives_the_way_there_and_back() {
    let stream = Stream {
        name: Some("line".to_owned()),
        status_callback: Some("https://phone.example/stream".to_owned()),
        ..Stream::new(url()).parameter("token", "x")
    };
    let mut dial = Dial::default();
    dial.options.timeout_s = Some(20);
    dial.options.answer_on_bridge = Some(true);
    dial.numbers.push(Number {
        number: "+14155550123".to_owned(),
        options: NumberOptions { send_digits: Some("ww1#".to_owned()), ..NumberOptions::default() },
    });
    let mut say = Say { text: "Good-bye.".to_owned(), options: SayOptions::default() };
    say.options.times = Some(2);
    let recording = Recording { track: Some("both".to_owned()), ..Recording::default() };
    let document = Twiml::new()
        .then(Verb::StartRecording(recording))
        .then(Verb::stream(stream, "/call_ended"))
        .then(dial)
        .then(Verb::Say(say))
        .then(Verb::Play(Play {
            url: String::new(),
            digits: Some("ww1234#".to_owned()),
            times: None,
        }))
        .then(Verb::Play(Play {
            url: "https://phone.example/hold.mp3".to_owned(),
            digits: None,
            times: Some(0),
        }))
        .then(Verb::Pause(Pause { length_s: Some(2) }))
        .then(Verb::Reject { reason: Some("busy".to_owned()) })
        .then(Verb::Redirect(Redirect { url: "/next".to_owned(), method: None }))
        .then(Verb::Hangup);
    assert_eq!(again(&document), Parsed { twiml: document, unknown: Vec::new() });
}

#[test]
fn an_empty_response_is_a_document() {
    let xml = Twiml::new().to_xml();
    assert_eq!(xml, r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);
    assert_eq!(again(&Twiml::new()), Parsed::default());
}

#[test]
fn text_cannot_break_out_of_its_place() {
    let nasty = "\"><Hangup/></Say>&amp;<![CDATA[x]]>'\u{0}\u{1F}\u{FFFE} é \n line";
    let mut relay = Relay::new(url()).parameter("note", nasty);
    relay.options.welcome_greeting = Some(nasty.to_owned());
    let document = Twiml::new().then(Verb::relay(relay, nasty)).then(Verb::say(nasty));
    let xml = document.to_xml();
    assert!(!xml.contains(['\u{0}', '\u{1F}', '\u{FFFE}']), "XML cannot hold them");
    let parsed = again(&document);
    let kept = "\"><Hangup/></Say>&amp;<![CDATA[x]]>' é \n line";
    assert!(parsed.unknown.is_empty());
    let [Verb::Connect(connect), Verb::Say(say)] = parsed.twiml.verbs.as_slice() else {
        panic!("two verbs, and no third: {:?}", parsed.twiml.verbs)
    };
    assert_eq!(say.text, kept);
    assert_eq!(connect.action.as_deref(), Some(kept));
    let ConnectTo::Relay(relay) = &connect.to else { panic!("a relay") };
    assert_eq!(relay.options.welcome_greeting.as_deref(), Some(kept));
    assert_eq!(relay.parameters, [("note".to_owned(), kept.to_owned())]);
}

#[test]
fn a_number_may_stand_in_dial_itself() {
    let parsed = Twiml::parse("<Response><Dial timeout='5'> +14155550123 </Dial></Response>");
    let verbs = parsed.expect("it is TwiML").twiml.verbs;
    let [Verb::Dial(dial)] = verbs.as_slice() else { panic!("one verb: {verbs:?}") };
    assert_eq!(dial.numbers[0].number, "+14155550123");
    assert_eq!(dial.options.timeout_s, Some(5));
}

#[test]
fn what_is_unknown_is_listed_and_the_rest_is_followed() {
    let parsed = Twiml::parse(
        r#"<Response version="9"><!-- c --><Enqueue wait="x">q</Enqueue>
        <Say volume="11" loop="often">Hi &amp; bye</Say>
        <Connect><ConversationRelay url="wss://h/ws" Voice="x"><Failover/>
          <Parameter name="a" value="b" c="d"/></ConversationRelay></Connect>
        <Connect><VirtualAgent/></Connect></Response>"#,
    )
    .expect("it is TwiML");
    let mut unknown = parsed.unknown;
    unknown.sort_unstable();
    assert_eq!(
        unknown,
        [
            "Connect",
            "Connect/VirtualAgent",
            "ConversationRelay/Failover",
            "ConversationRelay@Voice",
            "Enqueue",
            "Enqueue@wait",
            "Parameter@c",
            "Response@version",
            "Say@loop",
            "Say@volume",
        ]
    );
    let [Verb::Say(say), Verb::Connect(_)] = parsed.twiml.verbs.as_slice() else {
        panic!("two verbs: {:?}", parsed.twiml.verbs)
    };
    assert_eq!(say.text, "Hi & bye");
}

#[test]
fn an_address_must_be_a_secure_websocket() {
    for wrong in [
        "",
        "ws://h/ws",
        "https://h/ws",
        "wss://",
        "/relay/ws",
        "wss://h/a b",
        "WSS://h",
        "wss://h\n",
    ] {
        assert!(WssUrl::new(wrong).is_err(), "{wrong}");
    }
    for right in ["wss://h", "wss://h:8443/relay/ws", "wss://[::1]/x?y=1"] {
        assert_eq!(WssUrl::new(right).map(|url| url.as_str().to_owned()).as_deref(), Ok(right));
    }
    let xml = r#"<Response><Connect><Stream url="ws://h/ws"/></Connect></Response>"#;
    assert_eq!(Twiml::parse(xml), Err(TwimlError::Url { element: "Stream" }));
    let xml = "<Response><Connect><ConversationRelay/></Connect></Response>";
    assert_eq!(Twiml::parse(xml), Err(TwimlError::Url { element: "ConversationRelay" }));
}

#[test]
fn what_is_not_a_document_is_an_error() {
    for wrong in ["<Response>", "<Response></Reponse>", "<a><b></a>", "<a/><b/>", "&x;<Response/>"]
    {
        assert!(matches!(Twiml::parse(wrong), Err(TwimlError::NotXml { .. })), "{wrong}");
    }
    let entity = "<Response><Say>&unknown;</Say></Response>";
    assert!(matches!(Twiml::parse(entity), Err(TwimlError::NotXml { .. })));
    for wrong in ["", "  ", "<Answer/>", "<?xml version=\"1.0\"?>"] {
        assert_eq!(Twiml::parse(wrong), Err(TwimlError::NoResponse), "{wrong}");
    }
    let deep = format!("<Response>{}{}</Response>", "<a>".repeat(5000), "</a>".repeat(5000));
    assert_eq!(Twiml::parse(&deep), Err(TwimlError::TooDeep));
}
