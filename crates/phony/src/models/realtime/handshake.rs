//! Keeps the WebSocket library's handshake from reading past the response to the upgrade.
//!
//! The library reads the response into a buffer of 4 KiB and keeps that buffer for messages to the
//! end of the connection, even if it is configured with a smaller one. Through a
//! [`HandshakeReader`] it reads the response and nothing else, and the connection can go on with a
//! smaller buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a status line up to the status code, as in `HTTP/1.1 101` (RFC 9112 §4).
const STATUS: usize = 12;

/// A stream that ends after a `101` response. Any other response is passed on with everything that
/// follows it.
#[derive(Debug)]
pub(crate) struct HandshakeReader<S> {
    stream: S,
    status: Vec<u8>,
    /// The line that is being read is empty so far.
    is_line_empty: bool,
    /// What was read after the response, once it has ended.
    rest: Option<Vec<u8>>,
    /// The response has ended and is not a `101`.
    is_refused: bool,
}

impl<S> HandshakeReader<S> {
    pub(crate) fn new(stream: S) -> Self {
        let status = Vec::with_capacity(STATUS);
        Self { stream, status, is_line_empty: false, rest: None, is_refused: false }
    }

    /// The stream, and what was read of it after the response.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.rest.unwrap_or_default())
    }

    /// How many of these bytes belong to the response, if it ends in them.
    fn end(&mut self, read: &[u8]) -> Option<usize> {
        let missing = STATUS - self.status.len();
        self.status.extend(read.iter().take(missing));
        let end = read.iter().position(|byte| {
            let ends = *byte == b'\n' && self.is_line_empty;
            self.is_line_empty = *byte == b'\n' || (*byte == b'\r' && self.is_line_empty);
            ends
        });
        end.map(|last| last + 1)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HandshakeReader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if !self.is_refused
            && let Some(length) = self.end(&buffer.filled()[before..])
        {
            if self.status.ends_with(b" 101") {
                self.rest = Some(buffer.filled()[before + length..].to_vec());
                buffer.set_filled(before + length);
            } else {
                self.is_refused = true;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HandshakeReader<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// What is read and what follows it, if the response comes in pieces of this size.
    async fn read(response: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut far, near) = duplex(piece);
        let mut reader = HandshakeReader::new(near);
        let mut read = Vec::new();
        let send = async {
            // The reader may have stopped reading.
            drop(far.write_all(response).await);
            drop(far);
        };
        let hear = async {
            reader.read_to_end(&mut read).await.unwrap();
            let (mut near, mut rest) = reader.into_parts();
            near.read_to_end(&mut rest).await.unwrap();
            rest
        };
        let ((), rest) = tokio::join!(send, hear);
        (read, rest)
    }

    #[tokio::test]
    async fn an_upgrade_ends_with_its_head_whatever_the_pieces() {
        let heads =
            [&b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\n"[..], b"HTTP/1.1 101 Go\nA: b\n\n"];
        for head in heads {
            for piece in (1..60).chain([4096]) {
                for rest in [&b""[..], b"\x81\x02hi", b"\r\n\r\n"] {
                    let response = [head, rest].concat();
                    let parts = read(&response, piece).await;
                    assert_eq!(parts, (head.to_vec(), rest.to_vec()), "in pieces of {piece}");
                }
            }
        }
    }

    #[tokio::test]
    async fn any_other_response_comes_with_everything_after_it() {
        for response in
            [&b"HTTP/1.1 401 No\r\nA: b\r\n\r\n{\"error\":{}}"[..], b"\n\n101", b"", b"HT"]
        {
            for piece in [1, 7, 4096] {
                let parts = read(response, piece).await;
                assert_eq!(parts, (response.to_vec(), Vec::new()), "in pieces of {piece}");
            }
        }
    }
}
