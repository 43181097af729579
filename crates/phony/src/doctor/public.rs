//! Checks of the public name: whether it leads here, whether a request with Twilio's signature is
//! accepted, and whether sockets come through. They run from this machine, so a firewall that only
//! keeps out others goes unnoticed.

use phony_wire::twilio::signature;
use reqwest::{Client, Response, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::{Doctor, Finding, REQUEST_LIMIT};
use crate::http_client::no_answer;

const ID: &str = "public_url";
const TITLE: &str = "Public address";
/// The id of a call that does not exist.
const NO_CALL: &str = "CA00000000000000000000000000000000";

pub(super) async fn examine(doctor: &Doctor<'_>) -> Vec<Finding> {
    let config = doctor.config;
    let Some(host) = &config.host else {
        let detail = "HOST is not set, so Twilio cannot reach this server";
        let mend = "Set HOST to the public name of this server, such as phony.example.com; a \
                    tunnel or a proxy that ends TLS brings its requests to PORT.";
        return vec![Finding::fail(ID, TITLE, detail, mend)];
    };
    let origin = match &doctor.public {
        Some(origin) => origin.origin().ascii_serialization(),
        None => format!("https://{host}"),
    };
    let client = match client(&origin) {
        Ok(client) => client,
        Err(error) => {
            let detail = format!("HTTPS cannot be set up: {error}");
            return vec![Finding::fail(ID, TITLE, detail, "This is a fault of Phony's.")];
        }
    };
    let probe = PublicProbe { client, origin, host: host.clone() };
    let mut findings = vec![probe.health().await];
    if findings[0].level == super::Level::Ok {
        match &config.twilio.auth_token {
            Some(token) => {
                let (signed, socket) = tokio::join!(probe.signed(token), probe.socket(token));
                findings.extend([signed, socket]);
            }
            None => findings.push(Finding::fail(
                "signed_request",
                "Signed request",
                "TWILIO_AUTH_TOKEN is not set, so every request of Twilio's is refused",
                "Set TWILIO_AUTH_TOKEN, from Twilio's console.",
            )),
        }
    }
    findings
}

struct PublicProbe {
    client: Client,
    /// The origin to send requests to.
    origin: String,
    /// The public name.
    host: String,
}

impl PublicProbe {
    /// Checks that the name leads to Phony.
    async fn health(&self) -> Finding {
        let request = self.client.get(format!("{}/healthz", self.origin));
        let answer = match request.header(header::HOST, &self.host).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let detail =
                    format!("https://{} cannot be reached: {}", self.host, no_answer(&error));
                return Finding::fail(ID, TITLE, detail, mend_of(&error));
            }
        };
        let status = answer.status();
        let body = answer.text().await.unwrap_or_default();
        if status.is_success() && body.contains("activeCalls") {
            return Finding::ok(ID, TITLE, format!("https://{} leads to Phony", self.host));
        }
        let detail = format!("https://{} answers with {status}, not as Phony does", self.host);
        let mend = if status.is_server_error() {
            "Start the server (`phony serve`), and check that the proxy or tunnel leads to PORT."
        } else {
            "Check HOST, and that the proxy or tunnel passes every path on to PORT."
        };
        Finding::fail(ID, TITLE, detail, mend)
    }

    /// Checks that a webhook with Twilio's signature is accepted.
    async fn signed(&self, token: &SecretString) -> Finding {
        let (id, title) = ("signed_request", "Signed request");
        let form = [("CallSid", NO_CALL), ("CallStatus", "completed")];
        let url = format!("https://{}/call_status", self.host);
        let signature = signature::sign(token.expose_secret(), &url, &form);
        let request = self.client.post(format!("{}/call_status", self.origin)).form(&form);
        let request = request.header(header::HOST, &self.host);
        match request.header(signature::HEADER, signature).send().await {
            Ok(answer) if answer.status().is_success() => {
                Finding::ok(id, title, "let in, as Twilio's will be")
            }
            answer => {
                finding_of(id, title, answer, "refuses a request that is signed for its name")
            }
        }
    }

    /// Checks that the upgrade to a WebSocket comes through, and closes it at once.
    async fn socket(&self, token: &SecretString) -> Finding {
        let (id, title) = ("relay_socket", "Relay socket");
        let url = format!("wss://{}/relay/ws", self.host);
        let signature = signature::sign::<&str, &str>(token.expose_secret(), &url, &[]);
        let request = self.client.get(format!("{}/relay/ws", self.origin));
        let request = request
            .header(header::HOST, &self.host)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
            .header(signature::HEADER, signature);
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Finding::ok(id, title, "opens")
            }
            Ok(answer) if answer.status() != StatusCode::FORBIDDEN => {
                let detail = format!("{url} does not open: {}", answer.status());
                let mend = "Let the proxy pass WebSocket upgrades on (headers Upgrade and \
                            Connection).";
                Finding::fail(id, title, detail, mend)
            }
            answer => finding_of(id, title, answer, "refuses a socket that is signed for its name"),
        }
    }
}

fn finding_of(
    id: &'static str,
    title: &'static str,
    answer: Result<Response, reqwest::Error>,
    refuses: &str,
) -> Finding {
    match answer {
        Ok(answer) if answer.status() == StatusCode::FORBIDDEN => {
            let mend = "The running server has another TWILIO_AUTH_TOKEN or another HOST than this \
                        configuration: give both the same, and start it again.";
            Finding::fail(id, title, format!("the server {refuses} (403)"), mend)
        }
        Ok(answer) => {
            let detail = format!("the server answers with {}", answer.status());
            Finding::fail(id, title, detail, "The server's log says why.")
        }
        Err(error) => Finding::fail(id, title, no_answer(&error), mend_of(&error)),
    }
}

fn client(origin: &str) -> Result<Client, reqwest::Error> {
    // Fails if another part of the process has installed one already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = Client::builder()
        .timeout(REQUEST_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("phony/", env!("CARGO_PKG_VERSION")));
    let local = Url::parse(origin).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    if local { builder.no_proxy().build() } else { builder.build() }
}

fn mend_of(error: &reqwest::Error) -> &'static str {
    let text = no_answer(error);
    if text.contains("certificate") {
        "Give the name a certificate that the web's authorities vouch for: Twilio takes no other."
    } else if text.contains("lookup") || text.contains("resolve") || text.contains("not known") {
        "The name does not exist in DNS: check HOST, or let its record point to this machine."
    } else {
        "Start the proxy or tunnel that HOST names, open port 443, and let it lead to PORT here."
    }
}
