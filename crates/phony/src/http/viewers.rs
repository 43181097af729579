//! How many event sockets there may be: each costs a descriptor, and calls need them, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::Network;
use crate::http::error::{ApiError, ErrorCode};

/// The most event sockets at once, whatever the system gives.
const MOST: usize = 65_536;

/// Places for event sockets, half of which one client may take.
#[derive(Debug)]
pub(super) struct Viewers {
    all: usize,
    taken: Mutex<HashMap<Network, usize>>,
}

impl Viewers {
    /// A quarter of the descriptors that this process may have.
    pub(super) fn of_descriptors(descriptors: usize) -> Arc<Self> {
        Arc::new(Self { all: (descriptors / 4).clamp(16, MOST), taken: Mutex::default() })
    }

    /// A place for one more socket of this client.
    pub(super) fn admit(self: &Arc<Self>, client: Network) -> Result<Viewer, ApiError> {
        let mut taken = self.lock();
        let own = taken.get(&client).copied().unwrap_or(0);
        if own >= self.all / 2 || taken.values().sum::<usize>() >= self.all {
            let why = "too many event sockets are open; close some of them and try again";
            return Err(ApiError::new(ErrorCode::Unavailable, why));
        }
        taken.insert(client, own + 1);
        Ok(Viewer { viewers: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for an event socket; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Viewer {
    viewers: Arc<Viewers>,
    client: Network,
}

impl Drop for Viewer {
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
    fn one_client_has_half_of_the_places() {
        let viewers = Viewers::of_descriptors(80);
        let mut held: Vec<_> = (0..10).map(|_| viewers.admit(client("10.0.0.1"))).collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(viewers.admit(client("10.0.0.1")).is_err());
        held.extend((0..10).map(|_| viewers.admit(client("10.0.0.2"))));
        assert!(held.iter().all(Result::is_ok));
        assert!(viewers.admit(client("10.0.0.3")).is_err(), "all places are taken");
        held.clear();
        assert!(viewers.admit(client("10.0.0.3")).is_ok());
        assert!(viewers.lock().is_empty(), "nobody who has gone is remembered");
    }
}
