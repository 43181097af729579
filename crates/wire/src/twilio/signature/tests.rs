use super::*;

const TOKEN: &str = "12345";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const HTTP: &str = "http://mycompany.com/myapp.php?foo=1&bar=2";
const PARAMS: [(&str, &str); 5] = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    PARAMS.iter().chain(more).copied().collect()
}

/// The URL signs to the signature, and the signature is accepted for the requested URL.
fn known(signed: &str, requested: &str, params: &[(&str, &str)], signature: &str) {
    assert_eq!(sign(TOKEN, signed, params), signature, "{signed}");
    assert!(verify_form(TOKEN, signature, requested, params), "{requested}");
}

#[test]
fn the_plain_form_signs_to_the_known_answer() {
    known(URL, URL, &PARAMS, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

#[test]
fn a_port_that_twilio_added_is_found() {
    let with_port = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
    known(with_port, URL, &PARAMS, "kvajT1Ptam85bY51eRf/AJRuM3w=");
    let with_port = "http://mycompany.com:80/myapp.php?foo=1&bar=2";
    known(with_port, HTTP, &PARAMS, "0ZXoZLH/DfblKGATFgpif+LLRf4=");
}

#[test]
fn a_literal_port_is_kept() {
    let url = "http://mycompany.com:1234/myapp.php?foo=1&bar=2";
    known(url, url, &PARAMS, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=");
}

#[test]
fn a_port_that_twilio_left_out_is_left_out() {
    let requested = "https://mycompany.com:1234/myapp.php?foo=1&bar=2";
    known(URL, requested, &PARAMS, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

#[test]
fn user_information_is_signed() {
    let url = "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2";
    known(url, url, &PARAMS, "CukzLTc1tT5dXEDIHm/tKBanW10=");
    let with_port = "https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2";
    known(with_port, url, &PARAMS, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=");
    let url = "https://user@mycompany.com/myapp.php?foo=1&bar=2";
    known(url, url, &PARAMS, "2YRLlVAflCqxaNicjMpJcSTgzSs=");
    let with_port = "https://user@mycompany.com:443/myapp.php?foo=1&bar=2";
    known(with_port, url, &PARAMS, "aZfj4hyX1MLZhSS6QIL18Vn2/RA=");
}

#[test]
fn an_apostrophe_may_have_been_escaped() {
    let signed = format!("{URL}&Body=It%27s+amazing");
    let requested = format!("{URL}&Body=It's+amazing");
    known(&signed, &requested, &PARAMS, "TfZzewPq8wqrGlMfyAud8+/IvJ0=");
}

#[test]
fn values_of_one_name_are_sorted() {
    let one = [
        ("MessagingBinding.Address", "+1325xxxxxxx"),
        ("MessagingBinding.Address", "+1415xxxxxxx"),
    ];
    let other = [one[1], one[0]];
    for params in [one, other] {
        known(URL, URL, &params, "83O6e2vORAoJHUNzJjDWN1jz+BA=");
    }
}

#[test]
fn equal_pairs_count_once() {
    let params = [
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ];
    known(URL, URL, &params, "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
}

#[test]
fn names_are_sorted_before_values_are_joined() {
    let params = with(&[("ReasonConferenceEnded", "test"), ("Reason", "Participant")]);
    known(URL, URL, &params, "vOEb5UThFn24KEfnOFLQY2AE5FY=");
    assert!(!verify_form(TOKEN, "95+Bu0JVPi0r/SsESZCVf0dWAjw=", URL, &params));
    known(HTTP, HTTP, &params, "n2xBNyzSW7rfYStDtOFiFMv7qNo=");
}

#[test]
fn any_names_are_signed() {
    let params = [("property", "value"), ("boolean", "true")];
    known(URL, URL, &params, "NBdBDr/T/lgjI+tlgpXjKZQZs/k=");
}

const BODY: &[u8] = br#"{"property": "value", "boolean": true}"#;
const HASH: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";

#[test]
fn json_bodies_are_signed_by_their_hash() {
    let url = format!("{URL}&bodySHA256={HASH}");
    assert!(verify_json(TOKEN, "a9nBmqA0ju/hNViExpshrM61xv4=", &url, BODY));
    let url = format!("https://mycompany.com/myapp.php?bodySHA256={HASH}");
    assert!(verify_json(TOKEN, "y77kIzt2vzLz71DgmJGsen2scGs=", &url, BODY));
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let url = format!("{URL}&bodySHA256={hash}");
    assert!(verify_json(TOKEN, "Ldidvp12m26NI7eqEvxnEpkd9Hc=", &url, b"{}"));
    let without_port = sign::<&str, &str>(TOKEN, &url, &[]);
    assert_ne!(without_port, "Ldidvp12m26NI7eqEvxnEpkd9Hc=");
}

#[test]
fn a_json_body_needs_its_hash() {
    let signature = "a9nBmqA0ju/hNViExpshrM61xv4=";
    let url = format!("{URL}&bodySHA256={HASH}");
    assert!(!verify_json(TOKEN, signature, &url, b"{}"));
    let cut = &url[..url.len() - 1];
    assert!(!verify_json(TOKEN, signature, cut, BODY));
    let bare = sign::<&str, &str>(TOKEN, URL, &[]);
    assert!(!verify_json(TOKEN, &bare, URL, BODY));
    // Signed rightly, with a hash that lacks its last character.
    let cut_signature = sign::<&str, &str>(TOKEN, cut, &[]);
    assert!(!verify_json(TOKEN, &cut_signature, cut, BODY));
}

#[test]
fn wrong_signatures_are_refused() {
    let right = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    for wrong in ["", "WRONG_SIGNATURE", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T", "é"] {
        assert!(!verify_form(TOKEN, wrong, URL, &PARAMS), "{wrong}");
        assert!(!verify_get(TOKEN, wrong, URL), "{wrong}");
        assert!(!verify_json(TOKEN, wrong, URL, b""), "{wrong}");
        assert!(verify_upgrade(TOKEN, wrong, &["mycompany.com"], "/ws").is_none(), "{wrong}");
    }
    assert!(!verify_form(TOKEN, right, &format!("{URL}&baz=3"), &PARAMS));
    assert!(!verify_form("12346", right, URL, &PARAMS));
    assert!(!verify_form(TOKEN, right, URL, &with(&[("Extra", "")])));
    assert!(!verify_get(TOKEN, right, URL));
}

#[test]
fn a_fragment_is_not_signed() {
    let url = format!("{URL}#rc=2&rp=all");
    assert!(verify_form(TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", &url, &PARAMS));
}

#[test]
fn upgrades_are_accepted_in_every_known_spelling() {
    let cases = [
        ("/ws", "wss://mycompany.com/ws", false, "xnoJwxy0CIpoyz+WdcmZOMrycSk="),
        ("/ws", "wss://mycompany.com/ws/", false, "/o5Z62eaFIiPqgs8lMFMJlW801w="),
        ("/ws", "wss://mycompany.com:443/ws", false, "hF4cJxNqRXxKyzTP/4pRSQtRPLI="),
        ("/ws", "https://mycompany.com/ws", false, "gT6YGkfnvIxeWoxCf9wf/0d7aSE="),
        (
            "/ws?foo=1&bar=2",
            "wss://mycompany.com/ws?foo=1&bar=2",
            false,
            "Ba59ZtdGf7BU2K7/0c8oURnHcDA=",
        ),
        ("/ws?foo=1&bar=2", "wss://mycompany.com/ws", true, "RWZab6flX9if+q3Vb+GogZhrgL8="),
    ];
    for (path, url, query_as_params, signature) in cases {
        let matched = verify_upgrade(TOKEN, signature, &["mycompany.com"], path);
        assert_eq!(matched, Some(Matched { url: url.to_owned(), query_as_params }));
    }
    let signature = sign::<&str, &str>(TOKEN, "wss://mycompany.com", &[]);
    let matched = verify_upgrade(TOKEN, &signature, &["mycompany.com"], "/");
    assert_eq!(matched.map(|m| m.url).as_deref(), Some("wss://mycompany.com"));
}

#[test]
fn an_upgrade_for_another_path_host_or_query_is_refused() {
    let signature = "xnoJwxy0CIpoyz+WdcmZOMrycSk=";
    for (host, path) in
        [("mycompany.com", "/other"), ("evil.example", "/ws"), ("mycompany.com", "/ws?x=1")]
    {
        // The query of the last is not covered by the signature, in place or as parameters.
        assert!(verify_upgrade(TOKEN, signature, &[host], path).is_none(), "{host}{path}");
    }
}

#[test]
fn an_upgrade_costs_a_bounded_number_of_hashes() {
    assert_eq!(upgrade_candidates(&["h:8443"], "/ws?a=1").len(), 24);
    assert_eq!(upgrade_candidates(&["h"], "/ws").len(), 8);
}

#[test]
fn the_port_of_an_address_in_brackets_is_the_one_after_them() {
    assert_eq!(split_port("[::1]:8443"), ("[::1]", Some("8443")));
    assert_eq!(split_port("[::1]"), ("[::1]", None));
    let signature = sign(TOKEN, "https://[::1]:443/x", &PARAMS);
    assert!(verify_form(TOKEN, &signature, "https://[::1]/x", &PARAMS));
}
