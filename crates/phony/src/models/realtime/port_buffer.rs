//! The adapter's end of its port, with a buffer for events that the call has no room for.

use std::collections::VecDeque;

use phony_call::{FromModel, ToModel};

use crate::ports::ModelEnd;

/// The adapter's end of its port. It takes commands even while the call is slow to take events.
#[derive(Debug)]
pub(crate) struct PortBuffer {
    end: ModelEnd,
    backlog: VecDeque<FromModel>,
}

/// What happened at the port.
pub(crate) enum PortEvent {
    /// The call sent a command.
    Command(ToModel),
    /// The call took an event of the backlog.
    Delivered,
    /// The call dropped its end.
    Closed,
}

impl PortBuffer {
    pub(crate) fn new(end: ModelEnd) -> Self {
        Self { end, backlog: VecDeque::new() }
    }

    /// Sends an event to the call: now if the port has room, else as soon as it has.
    pub(crate) fn send(&mut self, event: FromModel) {
        use tokio::sync::mpsc::error::TrySendError;
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
            return;
        }
        match self.end.events.try_send(event) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(event)) => self.backlog.push_back(event),
        }
    }

    /// Whether events wait for the call. The adapter reads nothing from the server until they are
    /// gone, which bounds the backlog.
    pub(crate) fn is_behind(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Waits for the next event at the port, and delivers the backlog meanwhile. Safe to cancel.
    pub(crate) async fn next(&mut self) -> PortEvent {
        tokio::select! {
            biased;
            command = self.end.commands.recv() => {
                command.map_or(PortEvent::Closed, PortEvent::Command)
            },
            room = self.end.events.room(), if !self.backlog.is_empty() => {
                if !room {
                    return PortEvent::Closed;
                }
                if let Some(event) = self.backlog.pop_front() {
                    // There is room, and this is the only sender.
                    drop(self.end.events.try_send(event));
                }
                PortEvent::Delivered
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use phony_call::TurnId;

    use super::*;
    use crate::ports::{self, MODEL_EVENTS};

    #[tokio::test]
    async fn a_slow_call_loses_no_event_and_can_still_send_commands() {
        let (mut port, end) = ports::model();
        let mut buffer = PortBuffer::new(end);
        let text = |n: usize| FromModel::Text { turn: TurnId(1), text: n.to_string() };
        for n in 0..MODEL_EVENTS + 2 {
            buffer.send(text(n));
        }
        assert!(buffer.is_behind());
        port.tx.send(ToModel::Cancel { turn: TurnId(1) }).await.unwrap();
        assert!(matches!(buffer.next().await, PortEvent::Command(_)));
        for n in 0..MODEL_EVENTS + 2 {
            assert_eq!(port.rx.recv().await, Some(text(n)));
            if buffer.is_behind() {
                assert!(matches!(buffer.next().await, PortEvent::Delivered));
            }
        }
        assert!(!buffer.is_behind());
        drop(port);
        assert!(matches!(buffer.next().await, PortEvent::Closed));
    }
}
