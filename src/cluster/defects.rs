//! What is wrong with a definition of settings itself: told once, where it is taken in, since reviews leave it out.

use crate::api::{Kind, Resource as _};
use crate::documents::Document;
use crate::telemetry::judging::Judging;
use crate::telemetry::metrics::Reason;
use crate::world::SettingsDefinition;

/// Counts and logs each defect, with its place where the definition stands in a file.
pub(super) fn tell(definition: &SettingsDefinition, document: Option<&Document>, judging: &Judging) {
    for problem in definition.compiled().problems() {
        let reason = problem.kind.as_str();
        judging
            .definition_problems
            .get_or_create(&Reason { reason })
            .inc();
        let name = definition.name();
        let file = document.map(|document| tracing::field::display(&document.file));
        let line = document.map(|document| {
            let field = problem.field(&document.value["spec"]);
            document.place_of(&field).line
        });
        tracing::warn!(kind = %Kind::ModuleSettingsDefinition, name, file, line, reason, "{problem}");
    }
}
