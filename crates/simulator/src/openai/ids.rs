//! The ids that a socket assigns: unique within a stand-in, and the same in every run.

/// Counts the ids of one socket.
pub(super) struct Ids {
    connection: u64,
    next: u64,
}

impl Ids {
    pub(super) fn new(connection: u64) -> Self {
        Self { connection, next: 0 }
    }

    pub(super) fn event(&mut self) -> String {
        self.make("event")
    }

    pub(super) fn item(&mut self) -> String {
        self.make("item")
    }

    pub(super) fn response(&mut self) -> String {
        self.make("resp")
    }

    pub(super) fn call(&mut self) -> String {
        self.make("call")
    }

    pub(super) fn session(&self) -> String {
        format!("sess_{}", self.connection)
    }

    pub(super) fn conversation(&self) -> String {
        format!("conv_{}", self.connection)
    }

    fn make(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}_{}_{}", self.connection, self.next)
    }
}
