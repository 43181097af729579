//! Logging in and out of the dashboard.

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use phony_wire::twilio::webhook::Form;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{Auth, Supervisor, unauthorized};
use super::{AppState, Client, body, page};
use crate::http::error::{ApiError, ErrorBody, ErrorCode};

/// The page to go to after logging in.
const DASHBOARD: &str = "/dashboard/";

/// The token or the code of a log-in link, as a form or as JSON.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(super) struct LoginRequest {
    /// The supervisors' token.
    token: Option<String>,
    /// The code of a log-in link instead of the token. It works once.
    code: Option<String>,
}

/// Sets the cookie of a session in exchange for the token or the code of a log-in link, which may
/// also be a query parameter.
#[utoipa::path(
    post, path = "/login", tag = "session", params(Link),
    request_body(content(
        (LoginRequest = "application/json"), (LoginRequest = "application/x-www-form-urlencoded")
    )),
    responses(
        (status = 200, description = "Logged in, when asked in JSON", body = Object),
        (status = 303, description = "Logged in, when asked by a form: to the dashboard"),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, description = "A page of another site", body = ErrorBody),
        (status = 410, description = "The link has been used: a page that says so"),
        (status = 429, body = ErrorBody),
    )
)]
pub(super) async fn log_in(
    State(state): State<AppState>,
    client: Client,
    Query(link): Query<Link>,
    request: Request,
) -> Result<Response, ApiError> {
    if let Some(code) = link.code.filter(|code| !code.is_empty()) {
        return follow(&state, client, &code).await;
    }
    let is_form = body::is_kind(request.headers(), "application/x-www-form-urlencoded");
    if !is_form && !body::is_json(request.headers()) {
        let why = "the body must be a form or JSON, with the Content-Type that says so";
        return Err(ApiError::new(ErrorCode::InvalidRequest, why));
    }
    let bytes = body::bytes(request, &state).await?;
    let (token, code) = if is_form {
        let form = Form::parse(&bytes);
        let field = |name| form.get(name).map(str::to_owned);
        (field("token"), field("code"))
    } else {
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| {
            ApiError::new(ErrorCode::InvalidRequest, "the body is neither JSON nor a form")
        })?;
        let field = |name| value[name].as_str().map(str::to_owned);
        (field("token"), field("code"))
    };
    if let (None, Some(code)) = (&token, code) {
        return follow(&state, client, &code).await;
    }
    let token = token.ok_or_else(|| ApiError::field("token", "is missing"))?;
    let now = (state.app.clock.now)();
    state.limits.may_log_in(client.network, now)?;
    if !state.auth.is_token(token.trim()) {
        state.limits.failed_login(client.network, now);
        return Err(unauthorized("the token is wrong"));
    }
    let cookie = [(header::SET_COOKIE, state.auth.cookie(client.secure))];
    Ok(if is_form {
        (cookie, Redirect::to(DASHBOARD)).into_response()
    } else {
        (cookie, Json(json!({ "status": "ok" }))).into_response()
    })
}

/// Logs in with the code of a link, which is used up.
async fn follow(state: &AppState, client: Client, code: &str) -> Result<Response, ApiError> {
    let now = (state.app.clock.now)();
    state.limits.may_follow_link(client.network, now)?;
    if state.auth.redeem(code).await {
        let cookie = [(header::SET_COOKIE, state.auth.cookie(client.secure))];
        return Ok((cookie, Redirect::to(DASHBOARD)).into_response());
    }
    state.limits.wrong_link(client.network, now);
    let text = format!(
        "<p>A log-in link works once, and this one has been used or is too old. A new one is shown \
         when the server starts.</p><p><a href=\"{DASHBOARD}\">Log in with the token</a></p>"
    );
    Ok(page::answer(StatusCode::GONE, "This link has been used", &text))
}

/// A link that logs in once.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(super) struct Link {
    /// The code of the link that the server printed.
    code: Option<String>,
}

/// Shows the page of a log-in link, with one button that logs in. Opening it does not use up the
/// code, since messengers and scanners open links before people do.
#[utoipa::path(
    get, path = "/login", tag = "session", params(Link),
    responses(
        (status = 200, description = "A page with a button that logs in"),
        (status = 303, description = "To the dashboard, if there is no code"),
    )
)]
pub(super) async fn link(Query(link): Query<Link>) -> Response {
    let Some(code) = link.code.filter(|code| !code.is_empty()) else {
        return Redirect::to(DASHBOARD).into_response();
    };
    let text = format!(
        "<p>This link logs this browser in, once.</p><form method=\"post\" action=\"/login\">\
         <input type=\"hidden\" name=\"code\" value=\"{}\"><button>Log in</button></form>",
        page::escaped(&code)
    );
    page::answer(StatusCode::OK, "Log in to Phony", &text)
}

/// Ends the session of this browser: its cookie becomes invalid on every server, and its event
/// sockets are closed.
#[utoipa::path(
    post, path = "/logout", tag = "session",
    responses(
        (status = 204, description = "The session has ended and the cookie is gone"),
        (status = 403, description = "A page of another site", body = ErrorBody),
    )
)]
pub(super) async fn log_out(
    State(state): State<AppState>,
    client: Client,
    headers: HeaderMap,
) -> Response {
    state.auth.log_out(&headers).await;
    let cookie = [(header::SET_COOKIE, Auth::no_cookie(client.secure))];
    (StatusCode::NO_CONTENT, cookie).into_response()
}

/// Checks that the page was served by this server and its browser is logged in. A page asks this
/// first, since a refused WebSocket does not say why.
#[utoipa::path(
    post, path = "/session", tag = "session",
    responses(
        (status = 204, description = "Logged in"),
        (status = 401, description = "Not logged in", body = ErrorBody),
        (status = 403, description = "A page under an address that the server does not know: \
            the message says which to open", body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn check_session(_: Supervisor) -> StatusCode {
    StatusCode::NO_CONTENT
}
