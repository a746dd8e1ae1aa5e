//! What is wrong in a world as it stands: object by object, by the rules of [`rules::standing`]. The server counts it,
//! `check --cluster` lists it.

use super::Settler;
use crate::api::Kind;
use crate::rules::{self, CauseReason, Finding, SettingsQuestion, Verdict};
use crate::world::{Object, Shared};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// The word that stands where a rule's number would, for an object that exists and cannot be read.
pub const UNREADABLE: &str = "unreadable";

/// What is said of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was judged.
    Judged {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Why it would be refused if it were made now.
        refusals: Vec<Finding>,
        /// What should be known of it.
        warnings: Vec<Finding>,
        /// Whether its settings were judged, too, or could not be just now.
        settled: bool,
    },
    /// It cannot be read.
    Unreadable {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Why, without any value.
        why: String,
    },
}

/// Judges whole worlds. Settings that were judged once are judged again when they or their definition change, and
/// not before: that is what takes time.
pub struct Census {
    settler: Settler,
    settings: HashMap<Asked, Answered>,
}

/// The digest of a question about settings.
type Asked = [u8; 32];

/// What came of it.
#[derive(Clone, Debug)]
struct Answered {
    refusals: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Census {
    /// Settings are judged by `settler`.
    pub fn new(settler: Settler) -> Self {
        Self {
            settler,
            settings: HashMap::new(),
        }
    }

    /// Judges all objects that are not on their way out, and tells of each until `tell` breaks. The world is looked at
    /// for one object at a time, so others can change it meanwhile. Takes its time: not for async threads.
    pub fn take(
        &mut self,
        world: &Shared,
        now: Timestamp,
        mut tell: impl FnMut(Standing) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut known = std::mem::take(&mut self.settings);
        for kind in Kind::ALL {
            let mut name = String::new();
            loop {
                let next = world.read().next(kind, &name);
                let Some(object) = next else { break };
                object.name().clone_into(&mut name);
                if let Some(subject) = rules::as_it_stands(&object) {
                    let verdict = rules::standing(&subject, &world.read(), now);
                    tell(self.judged(&object, verdict, &mut known))?;
                }
            }
        }
        let unreadable: Vec<Standing> = {
            let reading = world.read();
            let all = reading.unreadable();
            all.map(|(kind, name, why)| Standing::Unreadable {
                kind,
                name: name.to_owned(),
                why: why.to_owned(),
            })
            .collect()
        };
        unreadable.into_iter().try_for_each(tell)
    }

    fn judged(
        &mut self,
        object: &Object,
        mut verdict: Verdict,
        known: &mut HashMap<Asked, Answered>,
    ) -> Standing {
        let mut settled = true;
        if let Some(question) = verdict.question.take() {
            match self.answer(question, known) {
                Some(Answered { refusals, warnings }) => {
                    verdict.refusals.extend(refusals);
                    verdict.warnings.extend(warnings);
                }
                None => settled = false,
            }
        }
        if let Object::ModuleSettingsDefinition(definition) = object {
            let spec = &object.to_value()["spec"];
            let problems = definition.compiled().problems().iter();
            verdict.warnings.extend(problems.map(|problem| Finding {
                rule: problem.kind.rule(),
                field: problem.field(spec),
                message: problem.message.clone(),
                reason: CauseReason::Invalid,
                forbidden: false,
            }));
        }
        Standing::Judged {
            kind: object.kind(),
            name: object.name().to_owned(),
            refusals: verdict.refusals,
            warnings: verdict.warnings,
            settled,
        }
    }

    /// What is wrong with settings, as it was found before, or as it is found now.
    fn answer(
        &mut self,
        question: SettingsQuestion,
        known: &mut HashMap<Asked, Answered>,
    ) -> Option<Answered> {
        let asked = digest(&question);
        let before = self.settings.get(&asked).cloned();
        let answered = if let Some(answered) = before.or_else(|| known.remove(&asked)) {
            answered
        } else {
            let Verdict {
                refusals, warnings, ..
            } = self.settler.answer(question)?;
            Answered { refusals, warnings }
        };
        self.settings.insert(asked, answered.clone());
        Some(answered)
    }
}

/// What tells questions apart: the module, what its definition says, and the settings.
fn digest(question: &SettingsQuestion) -> Asked {
    let mut hasher = Sha256::new();
    hasher.update(crate::api::Resource::name(&**question.definition));
    hasher.update(question.definition.compiled().digest());
    hasher.update(question.new.version.to_le_bytes());
    hasher.update(question.new.settings.to_string());
    hasher.finalize().into()
}
