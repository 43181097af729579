//! Responses for handlers that time out or panic.

use std::any::Any;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::{ApiError, ErrorCode};
use crate::timeouts;

/// The middleware that times requests out.
pub(crate) async fn answer_in_time(request: Request, next: Next) -> Response {
    in_time(next.run(request)).await
}

async fn in_time(answer: impl Future<Output = Response>) -> Response {
    let answer = tokio::time::timeout(timeouts::REQUEST, answer).await;
    answer.unwrap_or_else(|_| {
        let message = format!(
            "there was no answer within {} s. What was asked for may have been done all the same: \
             look before asking again",
            timeouts::REQUEST.as_secs()
        );
        ApiError::new(ErrorCode::Unavailable, message).into_response()
    })
}

/// The response for a handler that panicked.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    let message = "the server failed at this request; its log says where";
    ApiError::new(ErrorCode::Internal, message).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::StatusCode;

    use super::*;

    async fn error(response: Response) -> (StatusCode, serde_json::Value) {
        let status = response.status();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).expect("every error is JSON"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_times_out_gets_an_error_that_says_so() {
        let (status, body) = error(in_time(std::future::pending()).await).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["error"]["code"], "UNAVAILABLE");
        assert!(body["error"]["message"].as_str().unwrap().contains("within 30 s"), "{body}");
        let (status, body) = error(panicked(Box::new("as the test wants it"))).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["error"]["code"], "INTERNAL");
    }
}
