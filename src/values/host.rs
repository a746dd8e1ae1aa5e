//! When two names of a registry host are the same, as docker sees it (rule MS-2).

/// What Docker Hub is called in its references, and here.
const DOCKER_HUB: &str = "docker.io";

/// Its other names: in docker's own configuration, and where its API answers.
const DOCKER_HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// The one spelling of a host, with its port if it has one: lower case, and `docker.io` for each of Docker Hub's names.
pub(super) fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if DOCKER_HUB_ALIASES.contains(&host.as_str()) {
        DOCKER_HUB.to_owned()
    } else {
        host
    }
}

/// The canonical host of an address as docker configs have it: `https://host/v1/` is `host`. What stands before an `@`
/// is left out, since it may be a password.
pub(super) fn host_of_address(address: &str) -> String {
    let rest = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .unwrap_or(address);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    canonical_host(host)
}

/// Whether a canonical host is Docker Hub.
pub(super) fn is_docker_hub(host: &str) -> bool {
    host == DOCKER_HUB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_address_as_docker_does() {
        for (address, host) in [
            ("https://registry.example.com/v1/", "registry.example.com"),
            ("http://registry.example.com:5000", "registry.example.com:5000"),
            ("Registry.Example.com/modules", "registry.example.com"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
            ("https://me:secret@registry.example.com", "registry.example.com"),
            ("", ""),
        ] {
            assert_eq!(host_of_address(address), host);
        }
    }
}
