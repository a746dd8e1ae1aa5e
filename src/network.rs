//! What lies between this process and a host: nothing (loopback), or a proxy.

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::net::IpAddr;
use std::sync::Arc;

/// Which proxies stand between this process and others.
#[derive(Debug, Clone)]
pub struct Proxies(Option<Arc<Matcher>>);

impl Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, upper or lower case, as they are now. Loopback is
    /// never reached through a proxy.
    pub fn from_env() -> Self {
        Self(Some(Arc::new(Matcher::from_env())))
    }

    /// One proxy for all, but for the hosts of `except`, which reads like `NO_PROXY`.
    pub fn all(proxy: &str, except: &str) -> Self {
        Self(Some(Arc::new(
            Matcher::builder()
                .all(proxy.to_owned())
                .no(except.to_owned())
                .build(),
        )))
    }

    /// None at all.
    pub fn none() -> Self {
        Self(None)
    }

    /// The proxy through which a host is reached; `None` where it is reached directly.
    pub fn on_the_way_to(&self, uri: &Uri) -> Option<Intercept> {
        if is_loopback(uri.host()?) {
            return None;
        }
        self.0.as_ref()?.intercept(uri)
    }
}

/// Whether a host without its port is this machine: `localhost`, or an address of the loopback, IPv6 with or without
/// its brackets.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_sends_loopback_through_a_proxy() {
        let proxies = Proxies::all("http://proxy.example.com:3128", "internal.example.com,10.0.0.0/8");
        let through = |uri: &str| proxies.on_the_way_to(&uri.parse().unwrap()).is_some();
        assert!(through("https://registry.example.com/v2/"));
        assert!(through("http://registry.example.com/v2/"));
        for direct in [
            "http://127.0.0.1:5000/",
            "http://[::1]:5000/",
            "http://localhost/",
            "https://internal.example.com/",
            "https://a.internal.example.com/",
            "https://10.1.2.3/",
        ] {
            assert!(!through(direct), "{direct}");
        }
    }
}
