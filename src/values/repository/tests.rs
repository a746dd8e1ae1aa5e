use proptest::prelude::*;

use super::*;

#[test]
fn reads_host_and_path() {
    for (text, host, path) in [
        ("registry.example.com/modules", "registry.example.com", "modules"),
        (
            "registry.example.com:5000/a/b-c/d__e.f",
            "registry.example.com:5000",
            "a/b-c/d__e.f",
        ),
        ("REGISTRY.Example.com/modules", "REGISTRY.Example.com", "modules"),
        ("localhost/modules", "localhost", "modules"),
        ("registry:5000/modules", "registry:5000", "modules"),
        ("127.0.0.1:5000/modules", "127.0.0.1:5000", "modules"),
        ("[::1]/modules", "[::1]", "modules"),
        ("[2001:db8::1]:5000/modules", "[2001:db8::1]:5000", "modules"),
        ("registry.example.com/a---b", "registry.example.com", "a---b"),
    ] {
        let repository = Repository::parse(text).unwrap();
        assert_eq!((repository.host(), repository.path()), (host, path));
        assert_eq!(repository.to_string(), text);
    }
}

#[test]
fn tells_each_mistake_by_its_name() {
    for (text, message) in [
        (
            "",
            r#"an empty repository, write one such as "registry.example.com/modules""#,
        ),
        (
            "https://r.example/m",
            r#""https://r.example/m" has a scheme, leave out "https://""#,
        ),
        ("r.example/m:v1", r#""r.example/m:v1" has a tag, leave out ":v1""#),
        (
            "r.example/m@sha256:0",
            r#""r.example/m@sha256:0" has a digest, leave out everything from '@' on"#,
        ),
        (
            "r.example/m/",
            r#""r.example/m/" ends with a slash, leave it out"#,
        ),
        (
            "r.example/M/n",
            r#""r.example/M/n" has upper-case letters in its path, write "r.example/m/n""#,
        ),
        (
            "r.example:5000",
            r#""r.example:5000" has no path, write one behind the host, such as "registry.example.com/modules""#,
        ),
        (
            "deckhouse/modules",
            r#""deckhouse/modules" has no registry host, write it in front, such as "registry.example.com/modules""#,
        ),
        (
            "r_x.example/m",
            r#""r_x.example/m" has a malformed host "r_x.example", write a DNS name or an address"#,
        ),
        (
            "r.example:x/m",
            r#""r.example:x/m" has a malformed port "x", write a number from 1 to 65535"#,
        ),
    ] {
        assert_eq!(Repository::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn never_repeats_a_password() {
    for text in [
        "https://me:secret@r.example/m",
        "me:secret@r.example/m",
        "secret@r.example",
    ] {
        assert_eq!(Repository::parse(text), Err(ParseRepositoryError::Credentials));
    }
}

#[test]
fn rejects_malformed_components_hosts_and_ports() {
    for text in [
        "r.example/a//b",
        "r.example/-a",
        "r.example/a_",
        "r.example/a..b",
        "r.example/a___b",
        "r.example/a._b",
        "r.example/ä",
        "r.example/a b",
        "r.example/a:b/c",
        "r.example//a",
    ] {
        assert!(
            matches!(
                Repository::parse(text),
                Err(ParseRepositoryError::Component { .. })
            ),
            "{text}"
        );
    }
    for text in [
        "-r.example/m",
        "r..example/m",
        ".example/m",
        "r.example./m",
        "[::1/m",
        "[zz]/m",
        "[::1]x/m",
        "x[::1]/m",
        " r.example/m",
    ] {
        assert!(
            matches!(Repository::parse(text), Err(ParseRepositoryError::Host { .. })),
            "{text}"
        );
    }
    for text in [
        "r.example:/m",
        "r.example:0/m",
        "r.example:65536/m",
        "r.example:+1/m",
        "r.example:1:2/m",
        "[::1]:x/m",
    ] {
        assert!(
            matches!(Repository::parse(text), Err(ParseRepositoryError::Port { .. })),
            "{text}"
        );
    }
    let long = format!("r.example/{}", "a".repeat(256));
    assert_eq!(
        Repository::parse(&long),
        Err(ParseRepositoryError::TooLong(long.clone()))
    );
}

#[test]
fn normalises_hosts_and_docker_hub() {
    for (one, other) in [
        ("R.Example/m", "r.example/m"),
        ("docker.io/me/m", "index.docker.io/me/m"),
        ("docker.io/m", "registry-1.docker.io/library/m"),
    ] {
        let normalised = |text| Repository::parse(text).unwrap().normalised();
        assert_eq!(normalised(one), normalised(other));
    }
    let with_port = Repository::parse("r.example:443/m").unwrap();
    assert_eq!(with_port.normalised(), "r.example:443/m");
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*|[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
        if let Ok(repository) = Repository::parse(&text) {
            let normalised = repository.normalised();
            prop_assert!(normalised.ends_with(repository.path()) && normalised == normalised.to_lowercase());
            // A host that only its upper case made one is none any more.
            if let Ok(again) = Repository::parse(&normalised) {
                prop_assert_eq!(again.normalised(), normalised);
            }
            prop_assert_eq!(format!("{}/{}", repository.host(), repository.path()), text);
        }
    }

    #[test]
    fn reads_a_component_as_the_grammar_does(component in "[a-z0-9._-]{1,8}") {
        let form = regex::Regex::new(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$").unwrap();
        let read = Repository::parse(&format!("r.example/{component}"));
        prop_assert_eq!(read.is_ok(), form.is_match(&component));
    }
}
