//! HTTP clients.

/// A client builder that installs the TLS provider, which a test that runs alone has not got.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy()
}

/// A client with the default settings.
pub(crate) fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}
