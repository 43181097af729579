//! Limits the number of event sockets, since each takes a file descriptor, which calls need too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::Network;
use crate::http::error::{ApiError, ErrorCode};

/// The most event sockets at once, whatever the descriptor limit.
const MOST: usize = 65_536;

/// Permits for event sockets, at most half of them for one client.
#[derive(Debug)]
pub(super) struct Viewers {
    all: usize,
    taken: Mutex<HashMap<Network, usize>>,
}

impl Viewers {
    /// Permits for a quarter of the descriptors of this process.
    pub(super) fn of_descriptors(descriptors: usize) -> Arc<Self> {
        Arc::new(Self { all: (descriptors / 4).clamp(16, MOST), taken: Mutex::default() })
    }

    /// A permit for one more socket of this client.
    pub(super) fn admit(self: &Arc<Self>, client: Network) -> Result<ViewerPermit, ApiError> {
        let mut taken = self.lock();
        let own = taken.get(&client).copied().unwrap_or(0);
        if own >= self.all / 2 || taken.values().sum::<usize>() >= self.all {
            let why = "too many event sockets are open; close some of them and try again";
            return Err(ApiError::new(ErrorCode::Unavailable, why));
        }
        taken.insert(client, own + 1);
        Ok(ViewerPermit { viewers: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A permit for an event socket, released when dropped.
#[derive(Debug)]
pub(super) struct ViewerPermit {
    viewers: Arc<Viewers>,
    client: Network,
}

impl Drop for ViewerPermit {
    fn drop(&mut self) {
        let mut taken = self.viewers.lock();
        if let Some(own) = taken.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(address: &str) -> Network {
        Network::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn one_client_gets_at_most_half_of_the_permits() {
        let viewers = Viewers::of_descriptors(80);
        let mut held: Vec<_> = (0..10).map(|_| viewers.admit(client("10.0.0.1"))).collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(viewers.admit(client("10.0.0.1")).is_err());
        held.extend((0..10).map(|_| viewers.admit(client("10.0.0.2"))));
        assert!(held.iter().all(Result::is_ok));
        assert!(viewers.admit(client("10.0.0.3")).is_err(), "all permits are taken");
        held.clear();
        assert!(viewers.admit(client("10.0.0.3")).is_ok());
        assert!(viewers.lock().is_empty(), "nobody who has gone is remembered");
    }
}
