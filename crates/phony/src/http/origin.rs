//! Which pages may use a browser's cookie: protection against cross-site requests.
//!
//! A browser sends its cookies with every request to this server, whichever page makes it, and
//! cookies ignore ports. So every request that changes something, and every socket, must come from
//! a page that this server has served: browsers say so in `Origin` and `Sec-Fetch-Site`, which no
//! page can forge. Programs send neither.
//!
//! A page's origin is compared with the request's own `Host`, since a machine has many addresses
//! and a port can be published under others. That is safe only for names that nobody else can point
//! here: a foreign name that is made to resolve to this machine while its page is open (DNS
//! rebinding) looks like the same origin too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::auth::bearer;
use super::{AppState, page};
use crate::app::App;
use crate::client::Scheme;
use crate::http::error::{ApiError, ErrorCode};

const FETCH_SITE: &str = "sec-fetch-site";

/// The middleware that rejects requests from foreign pages.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let app = &state.app;
    let host = own_host(&request);
    let is_page = request.method().is_safe() && is_for_people(request.uri().path());
    if is_page && !host.is_none_or(|host| is_own_host(host, app)) {
        return wrong_address(app);
    }
    if is_guarded(&request) {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let proxies = &app.config.trusted_proxies;
        let scheme = peer.and_then(|peer| proxies.scheme(peer, request.headers()));
        if !is_own_page(request.headers(), host, scheme, app) {
            match shows_token(&request, peer, &state) {
                Ok(true) => {}
                Ok(false) => {
                    metrics::counter!("phony_foreign_pages_refused_total").increment(1);
                    return refused(app).into_response();
                }
                Err(error) => return error.into_response(),
            }
        }
    }
    next.run(request).await
}

/// Whether the request may change something or opens a socket.
fn is_guarded(request: &Request) -> bool {
    !request.method().is_safe() || opens_socket(request)
}

fn opens_socket(request: &Request) -> bool {
    *request.method() == Method::GET && request.headers().contains_key(header::UPGRADE)
}

/// Whether the request has the right token, which no foreign page has; a wrong one proves nothing,
/// since a cookie may come with it. Sockets are for pages of this server alone.
fn shows_token(
    request: &Request,
    peer: Option<IpAddr>,
    state: &AppState,
) -> Result<bool, ApiError> {
    let token = bearer(request.headers()).filter(|_| !opens_socket(request));
    let (Some(token), Some(peer)) = (token, peer) else { return Ok(false) };
    let proxies = &state.app.config.trusted_proxies;
    state.is_right(token, proxies.client(peer, request.headers()).into())
}

fn is_own_page(headers: &HeaderMap, host: Option<&str>, scheme: Option<Scheme>, app: &App) -> bool {
    let fetched = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    let is_fetched_here = match fetched {
        None => true,
        Some(b"same-origin" | b"none") => host.is_none_or(|host| is_own_host(host, app)),
        Some(_) => false,
    };
    let is_own_origin = headers
        .get_all(header::ORIGIN)
        .iter()
        .all(|origin| origin.to_str().is_ok_and(|origin| is_own_origin(origin, host, scheme, app)));
    is_fetched_here && is_own_origin
}

/// Whether a page of this origin was served by this server.
fn is_own_origin(origin: &str, host: Option<&str>, scheme: Option<Scheme>, app: &App) -> bool {
    let (origin, port) = (origin.to_ascii_lowercase(), app.port);
    let public = format!("https://{}", app.authority());
    let local = ["localhost", "127.0.0.1", "[::1]"];
    if origin == public || local.iter().any(|name| origin == format!("http://{name}:{port}")) {
        return true;
    }
    let Some(host) = host.filter(|host| is_own_host(host, app)) else { return false };
    let host = host.to_ascii_lowercase();
    // The public name uses TLS; anything else does not, unless a proxy says otherwise.
    let is_public = app.config.host.as_deref() == Some(host.as_str());
    let scheme = scheme.unwrap_or(if is_public { Scheme::Https } else { Scheme::Http });
    let (scheme, usual_port) = match scheme {
        Scheme::Http => ("http://", ":80"),
        Scheme::Https => ("https://", ":443"),
    };
    let bare = |text: &str| text.strip_suffix(usual_port).unwrap_or(text).to_owned();
    origin.strip_prefix(scheme).is_some_and(|authority| bare(authority) == bare(&host))
}

/// Whether a request with this `Host` was meant for this server: an address, a name for the machine
/// itself, or the configured one. Nobody else can make any of them resolve to this machine.
fn is_own_host(host: &str, app: &App) -> bool {
    let name = name_of(host).to_ascii_lowercase();
    let configured = app.config.host.as_deref().map(name_of);
    is_address(&name)
        || name == "localhost"
        || name.ends_with(".localhost")
        || configured == Some(name.as_str())
        || machine_name().is_some_and(|own| is_name_of(&name, &own))
}

/// Whether the browser's page came over TLS, as far as it says so. Requests of foreign pages were
/// rejected before.
pub(super) fn page_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    Some(if origin.starts_with("https://") { Scheme::Https } else { Scheme::Http })
}

/// Whether this `Host` is an address other than loopback: over plain HTTP, a browser rejects a
/// `Secure` cookie from there.
pub(super) fn is_address_without_tls(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(name_of);
    let address = |name: &str| {
        let is_loopback =
            name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback()) || name == "[::1]";
        is_address(name) && !is_loopback
    };
    host.is_some_and(address)
}

fn is_address(name: &str) -> bool {
    let six = |name: &str| {
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
    };
    name.parse::<Ipv4Addr>().is_ok() || six(name)
}

/// A `Host` without its port.
fn name_of(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        Some(_) | None => host,
    }
}

/// Whether a name is the machine's: its full name or its first label, also with `.local`.
fn is_name_of(name: &str, machine: &str) -> bool {
    let first = machine.split('.').next().unwrap_or_default();
    let bare = name.strip_suffix(".local").unwrap_or(name);
    !first.is_empty() && (name == machine || bare == first)
}

fn machine_name() -> Option<String> {
    #[cfg(unix)]
    {
        let system = rustix::system::uname();
        Some(system.nodename().to_str().ok()?.to_ascii_lowercase())
    }
    #[cfg(not(unix))]
    None
}

/// The `Host` of a request; absent before HTTP/1.1.
fn own_host(request: &Request) -> Option<&str> {
    let named = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    request.uri().authority().map(axum::http::uri::Authority::as_str).or(named)
}

/// Whether this path serves a page for people.
fn is_for_people(path: &str) -> bool {
    matches!(path, "/" | "/login" | "/dashboard") || path.starts_with("/dashboard/")
}

fn refused(app: &App) -> ApiError {
    let address = app.dashboard();
    let message = format!(
        "the page that asks is not known as this server's own; open {address} (if it is this \
         server's under another name, set HOST to that name; behind a proxy set \
         PHONY_TRUSTED_PROXIES, too)"
    );
    ApiError::new(ErrorCode::Forbidden, message)
}

fn wrong_address(app: &App) -> Response {
    let address = page::escaped(&app.dashboard());
    let text = format!(
        "<p>This server does not know the name in the address bar, and anybody could have made it \
         lead here. Open <a href=\"{address}\">{address}</a>, or the address of the machine.</p>\
         <p>If the name is this server's, start it with <code>HOST</code> set to that name.</p>"
    );
    page::answer(StatusCode::MISDIRECTED_REQUEST, "Open another address", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_part_of_a_name() {
        for (host, name) in [
            ("a.example:80", "a.example"),
            ("a.example", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("a:b", "a:b"),
            ("::1", "::1"),
        ] {
            assert_eq!(name_of(host), name);
        }
    }

    #[test]
    fn only_the_names_of_the_machine_are_its_own() {
        for name in ["nas", "nas.local", "nas.home.example"] {
            assert!(is_name_of(name, "nas.home.example"), "{name}");
        }
        for name in ["nas.evil.example", "evil.example", "", ".local", "home.example"] {
            assert!(!is_name_of(name, "nas.home.example"), "{name}");
        }
        assert!(!is_name_of("", "") && !is_name_of(".local", ""));
    }

    #[test]
    fn an_address_is_parsed_as_browsers_write_it() {
        for address in ["10.0.0.1", "[fd00::1]", "127.0.0.1"] {
            assert!(is_address(address), "{address}");
        }
        for name in ["10.0.0.1.evil.example", "10.0.1", "0x7f000001", "fd00::1", "[a]", "", "1"] {
            assert!(!is_address(name), "{name}");
        }
    }
}
