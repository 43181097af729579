//! Logging in and out of the dashboard.

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use phony_wire::twilio::webhook::Form;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::unauthorized;
use super::{Http, Peer, body};
use crate::error::{ApiError, ErrorBody, ErrorCode};

/// The page to go to after logging in.
const DASHBOARD: &str = "/dashboard/";

/// The token, as a form or as JSON.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(super) struct LogIn {
    /// The supervisors' token.
    token: String,
}

/// Sets the cookie of a session, in exchange for the token.
#[utoipa::path(
    post, path = "/login", tag = "session",
    request_body(content(
        (LogIn = "application/json"), (LogIn = "application/x-www-form-urlencoded")
    )),
    responses(
        (status = 200, description = "Logged in, when asked in JSON", body = Object),
        (status = 303, description = "Logged in, when asked by a form: to the dashboard"),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 429, body = ErrorBody),
    )
)]
pub(super) async fn log_in(
    State(http): State<Http>,
    Peer(from): Peer,
    request: Request,
) -> Result<Response, ApiError> {
    let now = (http.switchboard.clock.now)();
    http.limits.may_log_in(from, now)?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let bytes = body::bytes(request, &http).await?;
    let token = if is_form {
        Form::parse(&bytes).get("token").map(str::to_owned)
    } else {
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| {
            ApiError::new(ErrorCode::InvalidRequest, "the body is neither JSON nor a form")
        })?;
        value["token"].as_str().map(str::to_owned)
    };
    let token = token.ok_or_else(|| ApiError::field("token", "is missing"))?;
    if !http.auth.is_token(token.trim()) {
        http.limits.failed_login(from, now);
        return Err(unauthorized("the token is wrong"));
    }
    let cookie = [(header::SET_COOKIE, http.auth.cookie())];
    Ok(if is_form {
        (cookie, Redirect::to(DASHBOARD)).into_response()
    } else {
        (cookie, Json(json!({ "status": "ok" }))).into_response()
    })
}

/// A link that logs in once.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(super) struct Link {
    /// The code of the link that the server printed.
    code: Option<String>,
}

/// Follows a log-in link: sets the cookie and goes to the dashboard, which asks for the token if
/// the link has been used.
#[utoipa::path(
    get, path = "/login", tag = "session", params(Link),
    responses((status = 303, description = "To the dashboard"), (status = 429, body = ErrorBody))
)]
pub(super) async fn redeem(
    State(http): State<Http>,
    Peer(from): Peer,
    Query(link): Query<Link>,
) -> Result<Response, ApiError> {
    let Some(code) = link.code else { return Ok(Redirect::to(DASHBOARD).into_response()) };
    let now = (http.switchboard.clock.now)();
    http.limits.may_log_in(from, now)?;
    if http.auth.redeem(&code).await {
        let cookie = [(header::SET_COOKIE, http.auth.cookie())];
        return Ok((cookie, Redirect::to(DASHBOARD)).into_response());
    }
    http.limits.failed_login(from, now);
    Ok(Redirect::to(DASHBOARD).into_response())
}

/// Ends the session of this browser.
#[utoipa::path(
    post, path = "/logout", tag = "session",
    responses((status = 204, description = "The cookie is gone"))
)]
pub(super) async fn log_out(State(http): State<Http>) -> Response {
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, http.auth.no_cookie())]).into_response()
}
