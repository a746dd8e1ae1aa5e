//! From a world to a report: each object as it stands.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::report::{About, Found, Origin, Report, Severity, Subject, UNREADABLE};
use crate::api::Kind;
use crate::review::{Census, Settler, Standing};
use crate::rules::Finding;
use crate::world::{Shared, World};

/// Judges all objects of a world.
pub(super) fn judge(world: World, settler: Settler, now: Timestamp) -> Report {
    let mut report = Report {
        subject: Subject::Cluster,
        ..Report::default()
    };
    let _taken = Census::new(settler).take(&Shared::new(world), now, |standing| {
        report.objects += 1;
        add(standing, &mut report);
        ControlFlow::Continue(())
    });
    report
}

fn add(standing: Standing, report: &mut Report) {
    match standing {
        Standing::Judged {
            kind,
            name,
            refusals,
            warnings,
            settled,
        } => {
            report.refused += usize::from(!refusals.is_empty());
            if !settled {
                report.unreadable += 1;
                let message = "could not be judged just now: try again".to_owned();
                let field = "spec.settings".to_owned();
                report
                    .found
                    .push(found(Severity::Error, "AD-6", kind, &name, field, message));
            }
            for (severity, findings) in [(Severity::Error, refusals), (Severity::Warning, warnings)] {
                let all = findings.into_iter().map(
                    |Finding {
                         rule, field, message, ..
                     }| { found(severity, rule, kind, &name, field, message) },
                );
                report.found.extend(all);
            }
        }
        Standing::Unreadable { kind, name, why } => {
            report.unreadable += 1;
            report.found.push(found(
                Severity::Error,
                UNREADABLE,
                kind,
                &name,
                String::new(),
                why,
            ));
        }
    }
}

fn found(
    severity: Severity,
    rule: &'static str,
    kind: Kind,
    name: &str,
    field: String,
    message: String,
) -> Found {
    Found {
        severity,
        origin: Origin::Cluster,
        rule,
        about: Some(About {
            kind: kind.name().to_owned(),
            name: name.to_owned(),
            field,
        }),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{github, human, json, sarif};
    use super::*;
    use crate::conversion::{Converter, ConverterOptions};
    use crate::world::Object;
    use serde_json::{Value, json};

    /// A config that is wrong, and one that cannot be read.
    fn report() -> Report {
        let mut world = World::new();
        let config = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "global"},
            "spec": {"source": "Embedded"},
        });
        world.insert(Object::from_value(config).unwrap());
        world.insert_unreadable(
            Kind::ModuleRelease,
            "echo-v1.0.0",
            "status has another shape".into(),
        );
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let converter = Converter::new(ConverterOptions::default(), |_| {});
        let settler = Settler::new(converter, runtime.handle().clone());
        judge(world, settler, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_object_is_named_in_place_of_a_file() {
        let report = report();
        assert_eq!(report.exit_code(), 2);
        let text = anstream::adapter::strip_str(&human::render(&report)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with(
                "ModuleConfig/global: error[MC-1]: spec.source: 'Embedded' is a forbidden source"
            ),
            "{text}"
        );
        assert_eq!(
            lines[1..],
            [
                "ModuleRelease/echo-v1.0.0: error[unreadable]: status has another shape",
                "checked 2 objects in the cluster: 1 would be refused if made now, 1 object could not be judged",
            ]
        );
        let text = github::render(&report);
        assert!(
            text.starts_with("::error title=MC-1 ModuleConfig/global::spec.source: 'Embedded'"),
            "{text}"
        );
    }

    #[test]
    fn no_file_is_made_up_for_machines() {
        let report = report();
        let printed: Value = serde_json::from_str(&json::render(&report)).unwrap();
        assert_eq!(printed["findings"][0]["name"], "global");
        assert_eq!(printed["findings"][0].get("file"), None);
        assert_eq!(printed["summary"]["objects"], 2);
        let log: Value = serde_json::from_str(&sarif::render(&report)).unwrap();
        let results = &log["runs"][0]["results"];
        assert_eq!(
            results[0]["locations"],
            json!([{"logicalLocations": [{
                "name": "spec.source", "fullyQualifiedName": "ModuleConfig/global/spec.source", "kind": "member",
            }]}])
        );
        assert_eq!(
            results[1]["locations"][0]["logicalLocations"][0],
            json!({"name": "echo-v1.0.0", "fullyQualifiedName": "ModuleRelease/echo-v1.0.0", "kind": "object"})
        );
    }
}
