//! Twilio's request signatures: base64 of HMAC-SHA1, keyed with the account's primary auth token.
//!
//! Sources: Twilio, "Webhooks security" and "Validating requests are coming from Twilio", and the
//! known answers in the test suites of its server SDKs. Comparison takes constant time. URLs must
//! be rebuilt from configuration and the raw request line, never from forwarded headers.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The header that carries a signature, in lower case as in HTTP/2 and WebSocket upgrades.
pub const HEADER: &str = "x-twilio-signature";

/// The signature of a URL and the parameters of a form.
///
/// The URL is signed as given, without its fragment. Parameters are sorted by name, then value, in
/// byte order; a repeated pair counts once.
#[must_use]
pub fn sign<K: AsRef<str>, V: AsRef<str>>(token: &str, url: &str, params: &[(K, V)]) -> String {
    STANDARD.encode(digest(token, url, &sorted(params)))
}

/// Whether a form POST is signed: the URL as given, without a port, or with the scheme's own one.
#[must_use]
pub fn verify_form<K: AsRef<str>, V: AsRef<str>>(
    token: &str,
    signature: &str,
    url: &str,
    params: &[(K, V)],
) -> bool {
    let params = sorted(params);
    let Some(wanted) = decode(signature) else { return false };
    url_candidates(url).iter().any(|url| matches(token, &wanted, url, &params))
}

/// Whether a GET is signed: its parameters are in the URL and are not added again.
#[must_use]
pub fn verify_get(token: &str, signature: &str, url: &str) -> bool {
    verify_form::<&str, &str>(token, signature, url, &[])
}

/// Whether a JSON POST is signed: the URL with its `bodySHA256`, and that hash against the raw
/// bytes. False without the hash.
#[must_use]
pub fn verify_json(token: &str, signature: &str, url: &str, body: &[u8]) -> bool {
    let (_, query) = split_query(url);
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, claimed)) = pairs.find(|(name, _)| name == "bodySHA256") else { return false };
    let hash = hex(&Sha256::digest(body));
    let same_body: bool = hash.as_bytes().ct_eq(claimed.to_ascii_lowercase().as_bytes()).into();
    verify_get(token, signature, url) & same_body
}

/// Which spelling of a URL a WebSocket upgrade was signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The URL, as it was signed.
    pub url: String,
    /// Whether its query was signed as parameters after the URL.
    pub query_as_params: bool,
}

/// Checks the signature of a WebSocket upgrade against [`upgrade_candidates`].
#[must_use]
pub fn verify_upgrade(
    token: &str,
    signature: &str,
    hosts: &[&str],
    path_and_query: &str,
) -> Option<Matched> {
    let wanted = decode(signature)?;
    upgrade_candidates(hosts, path_and_query).into_iter().find(|candidate| {
        let (_, query) = split_query(path_and_query);
        let query = query.filter(|_| candidate.query_as_params).unwrap_or_default();
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        matches(token, &wanted, &candidate.url, &sorted(&pairs))
    })
}

/// Every spelling under which Twilio may have signed an upgrade, likeliest first.
///
/// Twilio signs the TwiML's `url` attribute as it was written, so what varies is the scheme, the
/// port, a trailing slash, and whether a query is signed in place or as parameters. `hosts` are the
/// public names of this server, each with or without a port; `path_and_query` is the request
/// line's, raw.
#[must_use]
pub fn upgrade_candidates(hosts: &[&str], path_and_query: &str) -> Vec<Matched> {
    let (path, query) = split_query(path_and_query);
    let path = if path.is_empty() { "/" } else { path };
    let toggled = match path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{path}/"),
    };
    let mut candidates: Vec<Matched> = Vec::new();
    for scheme in ["wss", "https"] {
        for host in hosts {
            let (name, port) = split_port(host);
            let literal = port.filter(|port| *port != "443").map(|port| format!("{name}:{port}"));
            let authorities = [Some(name.to_owned()), literal, Some(format!("{name}:443"))];
            for authority in authorities.into_iter().flatten() {
                for path in [path, &toggled] {
                    let bare = format!("{scheme}://{authority}{path}");
                    let whole = query.map(|query| format!("{bare}?{query}"));
                    let query_as_params = whole.is_some();
                    let in_place =
                        whole.into_iter().map(|url| Matched { url, query_as_params: false });
                    candidates.extend(in_place);
                    candidates.push(Matched { url: bare, query_as_params });
                }
            }
        }
    }
    candidates
}

/// The spellings under which Twilio may have signed a webhook's URL.
fn url_candidates(url: &str) -> Vec<String> {
    let mut candidates = vec![url.to_owned()];
    let mut add = |candidate: String| {
        if !candidates.contains(&candidate) {
            candidates.push(candidate);
        }
    };
    if let Some((scheme, userinfo, authority, rest)) = split_url(url) {
        let (name, port) = split_port(authority);
        let standard = if matches!(scheme, "https" | "wss") { "443" } else { "80" };
        add(format!("{scheme}://{userinfo}{name}{rest}"));
        let port = port.unwrap_or(standard);
        add(format!("{scheme}://{userinfo}{name}:{port}{rest}"));
    }
    // The Node SDK's validator also accepts a query re-encoded by its standard library, in which an
    // apostrophe is escaped.
    if let (base, Some(query)) = split_query(url)
        && query.contains('\'')
    {
        add(format!("{base}?{}", query.replace('\'', "%27")));
    }
    candidates
}

/// Scheme, userinfo with its `@`, host with its port, and the rest. Nothing is normalised.
fn split_url(url: &str) -> Option<(&str, &str, &str, &str)> {
    let (scheme, after) = url.split_once("://")?;
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    let at = authority.rfind('@').map_or(0, |at| at + 1);
    let (userinfo, host) = authority.split_at(at);
    Some((scheme, userinfo, host, rest))
}

/// Host and port; the colons of an IPv6 address in brackets are not taken for a port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let from = authority.rfind(']').unwrap_or(0);
    match authority[from..].rfind(':') {
        Some(colon) => {
            let (name, port) = authority.split_at(from + colon);
            (name, Some(&port[1..]).filter(|port| !port.is_empty()))
        }
        None => (authority, None),
    }
}

fn split_query(url: &str) -> (&str, Option<&str>) {
    let url = without_fragment(url);
    url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)))
}

/// Connection overrides are in the fragment, which is neither requested nor signed.
fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _)| url)
}

fn sorted<K: AsRef<str>, V: AsRef<str>>(params: &[(K, V)]) -> Vec<(&str, &str)> {
    let mut pairs: Vec<_> = params.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn digest(token: &str, url: &str, sorted: &[(&str, &str)]) -> [u8; 20] {
    let key = token.as_bytes();
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(without_fragment(url).as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// Decodes a signature; `None` if it is not one.
fn decode(signature: &str) -> Option<Vec<u8>> {
    STANDARD.decode(signature).ok().filter(|bytes| bytes.len() == 20)
}

fn matches(token: &str, wanted: &[u8], url: &str, sorted: &[(&str, &str)]) -> bool {
    digest(token, url, sorted).ct_eq(wanted).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").expect("writing to a string cannot fail");
        out
    })
}

#[cfg(test)]
mod tests;
