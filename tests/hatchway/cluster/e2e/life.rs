//! Replicas come and go under load (rule SV-4).

use super::balancer::State;
use super::installation::Installation;
use super::load::Load;
use super::replica::until;

#[test]
fn no_admission_fails_while_replicas_come_and_go() {
    let mut installation = Installation::start(2);
    let load = Load::start(&installation);

    installation.terminate(installation.busiest());
    load.assert_all_well("SIGTERM of one of two");

    // As a Deployment with maxSurge 1 and maxUnavailable 0 rolls.
    installation.add_replica(&[]);
    installation.until_ready();
    for _ in 0..2 {
        installation.add_replica(&[]);
        installation.until_ready();
        load.more(30);
        installation.terminate(0);
        load.assert_all_well("a rolling restart");
    }

    // Whoever has not ended its shutdown is no longer asked: the rest is enough.
    let answered = load.stop();
    for probe in [
        "a config that is fine",
        "a source that is refused",
        "a policy that is mutated",
        "kubectl",
    ] {
        assert!(
            answered.get(probe).is_some_and(|&times| times > 10),
            "{answered:?}"
        );
    }
}

#[test]
fn a_killed_replica_costs_only_what_it_was_answering() {
    let mut installation = Installation::start(2);
    let load = Load::start(&installation);
    let busiest = installation.busiest();
    assert!(installation.replicas[busiest].answered() > 0.0);
    let before = load.now();
    installation.kill(busiest);
    let seen = load.now();
    load.more(100);
    // Those asked before the balancer knew may have been on a connection to it; the last of them is answered by now.
    let failures = load.failures();
    let wrong: Vec<_> = failures
        .iter()
        .filter(|failure| failure.asked > seen || failure.answered < before)
        .collect();
    assert!(
        wrong.is_empty(),
        "killed at {before:?}, seen at {seen:?}: {wrong:#?}"
    );
    drop(load);

    let load = Load::start(&installation);
    load.assert_all_well("the balancer has seen that a replica is dead");
}

#[test]
fn the_api_server_tries_again_when_a_replica_is_full() {
    let mut installation = Installation::start(0);
    installation.add_replica(&["--max-reviews", "1"]);
    installation.until_ready();
    let replica = &installation.replicas[0];
    // Each waits half a second for the source to appear (rule AD-5), and is all that fits meanwhile.
    let objects: Vec<_> = (0..4)
        .map(|i| format!("{{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {{name: config-{i}}}, spec: {{source: nowhere}}}}"))
        .collect();
    let shed = "hatchway_shed_total{";
    let tried = until("some are turned away", || {
        std::thread::scope(|scope| {
            let asked: Vec<_> = objects
                .iter()
                .map(|object| scope.spawn(|| installation.apply(object)))
                .collect();
            for answer in asked {
                let answer = answer.join().unwrap();
                assert!(
                    answer
                        .stderr
                        .contains("the 'nowhere' module source does not exist"),
                    "{}",
                    answer.stderr
                );
            }
        });
        Some(replica.metric(shed)).filter(|&shed| shed > 0.0)
    });
    assert!(tried >= 1.0);
}

#[test]
fn a_lost_api_server_is_served_through_and_told() {
    let mut installation = Installation::start(2);
    let source = |name: &str| {
        format!(
            "{{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {{name: {name}}}, spec: {{registry: {{repo: registry.example.com/{name}}}}}}}"
        )
    };
    assert_eq!(installation.apply(&source("before")).code, 0);
    let bundle = installation.ca_bundle();
    for replica in &installation.replicas {
        replica.until("the source is known", || {
            replica
                .review(&bundle, "before", "before")
                .is_allowed()
                .then_some(())
        });
    }

    installation.plane.stop_api_server();
    for replica in &installation.replicas {
        // From memory: what is there, and what is not.
        assert!(replica.review(&bundle, "before", "before").is_allowed());
        let refused = replica.review(&bundle, "nowhere", "before");
        assert!(
            refused
                .message()
                .contains("the 'nowhere' module source does not exist"),
            "{refused:?}"
        );
        replica.until("it says that the API server is gone", || {
            let (_, body) = replica.get("/readyz")?;
            let said = body.contains("API server") && replica.log().contains("the API server is away");
            (said && replica.metric("hatchway_watch_up{") < KINDS).then_some(())
        });
    }

    // Whoever starts now has nothing to answer from: it waits, and says for what.
    let late = installation.add_replica(&[]);
    let late = &installation.replicas[late];
    let (status, body) = late.until("it says what it waits for", || {
        late.get("/readyz")
            .filter(|(_, body)| body.contains("API server"))
    });
    assert_eq!(status, 503, "{body}");
    assert_eq!(late.get("/livez").map(|(status, _)| status), Some(200));

    installation.plane.start_api_server();
    installation.until_ready();
    assert_eq!(installation.apply(&source("after")).code, 0);
    let config = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: later}, spec: {source: after}}";
    let applied = until("the API server asks again", || {
        Some(installation.apply(config)).filter(|answer| answer.code == 0)
    });
    assert!(
        applied.stderr.contains("the 'later' module not found"),
        "{}",
        applied.stderr
    );
    for replica in &installation.replicas {
        assert_eq!(installation.balancer.state(&replica.name), State::Ready);
        replica.until("it knows the new source, follows every kind and says so", || {
            let knows = replica.review(&bundle, "after", "after").is_allowed();
            let said = replica.log().contains("the API server is back");
            (knows && said && replica.metric("hatchway_watch_up{") >= KINDS).then_some(())
        });
        // Away for seconds, and told once, not with every try.
        let told = replica.log().matches("the API server is away").count();
        assert!(told <= 3, "told {told} times");
    }
    installation.forgive_what_a_start_forbade();
    let load = Load::start(&installation);
    load.assert_all_well("a restart of the API server");
}

/// Each kind has a watch, whose metric is 1 while it is followed.
const KINDS: f64 = 7.0;
