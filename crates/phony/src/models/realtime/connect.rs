//! Opens a session and sets it up.
//!
//! An open WebSocket is not yet a session: refusals come as an `error` event after the upgrade. The
//! session exists once `session.created` has come, and is usable once `session.update` has been
//! answered (OpenAI Realtime guide, WebSocket connections and error handling).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use phony_call::Fault;
use phony_wire::openai::realtime::{
    ApiError, ClientBody, ClientEvent, ServerEvent, SessionInfo, Severity, of_error,
};
use tokio::time::timeout;

use super::client::{Client, Incoming};
use super::error::ModelError;
use super::settings::{RealtimeSettings, SessionSettings};
use super::setup::Offer;

/// A connection with a session that is set up.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// How long until the session should be replaced.
    pub(crate) lifetime: Duration,
    /// Whether the session transcribes what it hears.
    pub(crate) transcribes: bool,
}

/// An attempt to connect.
pub(crate) type Attempt = Pin<Box<dyn Future<Output = Result<Connection, ModelError>> + Send>>;

/// Connects, waits for the session, and sets it up. `transcribe` is false if the server has refused
/// to transcribe before.
pub(crate) async fn connect(
    settings: Arc<RealtimeSettings>,
    session: Arc<SessionSettings>,
    transcribe: bool,
) -> Result<Connection, ModelError> {
    let limit = settings.timing.connect;
    let late = |_| ModelError::lost("timeout", "the server did not answer in time");
    let opening = async {
        let mut client = Client::open(&settings, &session).await?;
        let info = created(&mut client).await?;
        Ok((client, info))
    };
    let (mut client, info) = timeout(limit, opening).await.map_err(late)??;
    let offer = Offer::new(&session, transcribe);
    let configuring = configure(&mut client, &settings, &session, offer);
    let accepted = timeout(limit, configuring).await.map_err(late)??;
    let lifetime = lifetime(&settings, &info);
    Ok(Connection { client, lifetime, transcribes: accepted.transcribes() })
}

async fn created(client: &mut Client) -> Result<SessionInfo, ModelError> {
    loop {
        match answer(client).await? {
            Answer::Created(info) => return Ok(info),
            Answer::Error(error) => return Err(ModelError::from_connection(&error)),
            Answer::Updated => {}
        }
    }
}

/// Sets the session up, with fewer settings if the server refuses some. Returns what it accepted.
async fn configure(
    client: &mut Client,
    settings: &RealtimeSettings,
    session: &SessionSettings,
    mut offer: Offer,
) -> Result<Offer, ModelError> {
    let mut sent = 0;
    loop {
        sent += 1;
        let update = ClientBody::session(offer.session(settings, session));
        client.write(&mut vec![ClientEvent::new(format!("s{sent}"), update).to_json()]).await?;
        let Err(error) = updated(client).await? else { return Ok(offer) };
        if let Some(smaller) = offer.without(&error) {
            offer = smaller;
            continue;
        }
        let refused = ModelError::from_connection(&error);
        // It would fail the same way on every connection.
        let hopeless = of_error(&error) == Severity::Bug;
        return Err(if hopeless { ModelError { fault: Fault::Fatal, ..refused } } else { refused });
    }
}

async fn updated(client: &mut Client) -> Result<Result<(), ApiError>, ModelError> {
    loop {
        match answer(client).await? {
            Answer::Updated => return Ok(Ok(())),
            Answer::Error(error) => return Ok(Err(error)),
            Answer::Created(_) => {}
        }
    }
}

enum Answer {
    Created(SessionInfo),
    Updated,
    Error(ApiError),
}

/// The next event that matters while the session is set up.
async fn answer(client: &mut Client) -> Result<Answer, ModelError> {
    loop {
        let text = match client.read().await {
            Incoming::Text(text) => text,
            Incoming::Control => continue,
            Incoming::Closed(error) => return Err(error),
        };
        match ServerEvent::parse(&text) {
            Ok(ServerEvent::SessionCreated(info)) => return Ok(Answer::Created(*info)),
            Ok(ServerEvent::SessionUpdated(_)) => return Ok(Answer::Updated),
            Ok(ServerEvent::Error(error)) => return Ok(Answer::Error(*error)),
            Ok(_) => {}
            Err(_) => super::bad_frame(),
        }
    }
}

/// How long until the session should be replaced, which is well before its announced end.
fn lifetime(settings: &RealtimeSettings, info: &SessionInfo) -> Duration {
    let timing = &settings.timing;
    let left = info.expires_at.map(|end| Duration::from_secs(end).saturating_sub(since_1970()));
    let left = left.and_then(|left| left.checked_sub(timing.roll_over_before));
    left.filter(|left| !left.is_zero())
        .map_or(timing.roll_over_at, |left| left.min(timing.roll_over_at))
}

#[expect(clippy::disallowed_methods, reason = "the server announces a session's end as wall time")]
fn since_1970() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_replaced_well_before_its_end() {
        let settings = RealtimeSettings::new("http://a/v1", "key".into(), "m").unwrap();
        let lifetime = |minutes: Option<u64>| {
            let end = |minutes| since_1970().as_secs() + minutes * 60;
            let info = SessionInfo { expires_at: minutes.map(end), ..SessionInfo::default() };
            lifetime(&settings, &info).as_secs_f64() / 60.0
        };
        let near = |is: f64, wanted: f64| assert!((is - wanted).abs() < 0.1, "{is} {wanted}");
        near(lifetime(Some(60)), 55.0);
        near(lifetime(Some(30)), 25.0);
        near(lifetime(None), 55.0);
        // Clocks that disagree: a session lasts an hour at most, and none opens close to its end.
        near(lifetime(Some(600)), 55.0);
        near(lifetime(Some(4)), 55.0);
    }
}
