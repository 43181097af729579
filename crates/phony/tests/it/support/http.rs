//! HTTP clients.

/// A builder of clients that need no other test to have chosen a TLS provider before.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy()
}

/// A client with the default settings.
pub(crate) fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}
