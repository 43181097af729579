//! Where the answer to an upgrade ends and messages begin.
//!
//! The library reads the answer into a buffer of 4 KiB and goes on with that buffer for messages, to
//! the end of the connection, however small the one is that it was asked for. Behind a [`HandshakeReader`]
//! it reads the answer and nothing else, so that the connection can be taken over with a buffer of
//! ours.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long the beginning of an answer is: `HTTP/1.1 101` (RFC 9112 §4).
const BEGINNING: usize = 12;

/// A stream that ends behind the answer that makes it a WebSocket. Any other answer is passed on with
/// all that follows.
#[derive(Debug)]
pub(crate) struct HandshakeReader<S> {
    stream: S,
    beginning: Vec<u8>,
    /// The line that is being read is empty so far.
    blank: bool,
    /// What came behind the answer.
    rest: Option<Vec<u8>>,
    passes: bool,
}

impl<S> HandshakeReader<S> {
    pub(crate) fn new(stream: S) -> Self {
        let beginning = Vec::with_capacity(BEGINNING);
        Self { stream, beginning, blank: false, rest: None, passes: false }
    }

    /// The stream, and what has been read of it behind the answer.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.rest.unwrap_or_default())
    }

    /// How much of what was read belongs to the answer, if it ends there.
    fn end(&mut self, read: &[u8]) -> Option<usize> {
        let missing = BEGINNING - self.beginning.len();
        self.beginning.extend(read.iter().take(missing));
        let end = read.iter().position(|byte| {
            let ends = *byte == b'\n' && self.blank;
            self.blank = *byte == b'\n' || (*byte == b'\r' && self.blank);
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
        if !self.passes
            && let Some(length) = self.end(&buffer.filled()[before..])
        {
            if self.beginning.ends_with(b" 101") {
                self.rest = Some(buffer.filled()[before + length..].to_vec());
                buffer.set_filled(before + length);
            } else {
                self.passes = true;
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

    /// What is read and what is kept, if the answer comes in pieces of this size.
    async fn read(answer: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut far, near) = duplex(piece);
        let mut reader = HandshakeReader::new(near);
        let mut read = Vec::new();
        let send = async {
            // Whoever does not want the rest has gone.
            drop(far.write_all(answer).await);
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
    async fn an_upgrade_ends_with_its_head_however_it_comes() {
        let heads =
            [&b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\n"[..], b"HTTP/1.1 101 Go\nA: b\n\n"];
        for head in heads {
            for piece in (1..60).chain([4096]) {
                for rest in [&b""[..], b"\x81\x02hi", b"\r\n\r\n"] {
                    let answer = [head, rest].concat();
                    let parts = read(&answer, piece).await;
                    assert_eq!(parts, (head.to_vec(), rest.to_vec()), "in pieces of {piece}");
                }
            }
        }
    }

    #[tokio::test]
    async fn any_other_answer_comes_with_all_that_follows() {
        for answer in
            [&b"HTTP/1.1 401 No\r\nA: b\r\n\r\n{\"error\":{}}"[..], b"\n\n101", b"", b"HT"]
        {
            for piece in [1, 7, 4096] {
                let parts = read(answer, piece).await;
                assert_eq!(parts, (answer.to_vec(), Vec::new()), "in pieces of {piece}");
            }
        }
    }
}
