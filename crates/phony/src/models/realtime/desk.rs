//! The task's side of the port.

use std::collections::VecDeque;

use phony_call::{FromModel, ToModel};

use crate::ports::ModelEnd;

/// The task's side of the port: takes orders even while the call is slow to take facts.
#[derive(Debug)]
pub(crate) struct Desk {
    end: ModelEnd,
    outbox: VecDeque<FromModel>,
}

/// What happened at the port.
pub(crate) enum Visit {
    /// The call wants something.
    Order(ToModel),
    /// The call has taken a fact that was waiting.
    Taken,
    /// The call is over.
    Closed,
}

impl Desk {
    pub(crate) fn new(end: ModelEnd) -> Self {
        Self { end, outbox: VecDeque::new() }
    }

    /// Tells the call something: at once if it has room, else as soon as it has.
    pub(crate) fn say(&mut self, fact: FromModel) {
        use tokio::sync::mpsc::error::TrySendError;
        if !self.outbox.is_empty() {
            self.outbox.push_back(fact);
            return;
        }
        match self.end.events.try_send(fact) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(fact)) => self.outbox.push_back(fact),
        }
    }

    /// Whether facts wait for the call. Nothing more should be read from the server until they
    /// are gone: that bounds how many can wait.
    pub(crate) fn is_behind(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The next visit; may be dropped and called again.
    pub(crate) async fn visit(&mut self) -> Visit {
        tokio::select! {
            biased;
            order = self.end.commands.recv() => {
                order.map_or(Visit::Closed, Visit::Order)
            },
            room = self.end.events.room(), if !self.outbox.is_empty() => {
                if !room {
                    return Visit::Closed;
                }
                if let Some(fact) = self.outbox.pop_front() {
                    // There is room, and nobody else who could take it.
                    drop(self.end.events.try_send(fact));
                }
                Visit::Taken
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
    async fn a_slow_call_loses_no_fact_and_can_still_give_orders() {
        let (mut port, end) = ports::model();
        let mut desk = Desk::new(end);
        let text = |n: usize| FromModel::Text { turn: TurnId(1), text: n.to_string() };
        for n in 0..MODEL_EVENTS + 2 {
            desk.say(text(n));
        }
        assert!(desk.is_behind());
        port.tx.send(ToModel::Cancel { turn: TurnId(1) }).await.unwrap();
        assert!(matches!(desk.visit().await, Visit::Order(_)));
        for n in 0..MODEL_EVENTS + 2 {
            assert_eq!(port.rx.recv().await, Some(text(n)));
            if desk.is_behind() {
                assert!(matches!(desk.visit().await, Visit::Taken));
            }
        }
        assert!(!desk.is_behind());
        drop(port);
        assert!(matches!(desk.visit().await, Visit::Closed));
    }
}
