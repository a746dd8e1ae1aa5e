//! What a check found, before it is put into words.

use std::sync::Arc;

use crate::documents::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// The object is refused, or the document could not be read.
    Error,
    /// It is allowed, and should be known.
    Warning,
}

impl Severity {
    /// The word, the same in every format.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// How bad it is.
    pub(super) severity: Severity,
    /// Where it was found.
    pub(super) origin: Origin,
    /// The rule's number, such as `MC-2`.
    pub(super) rule: &'static str,
    /// The object that it is about; none where a document could not be read.
    pub(super) about: Option<About>,
    /// What is wrong and the way out.
    pub(super) message: String,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a file.
    File {
        /// The file, as it was named.
        file: Arc<str>,
        /// Where in the file.
        place: Place,
    },
    /// In the cluster, where an object's kind and name are its place.
    Cluster,
}

/// An object and a field of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// Its kind.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// The field, as causes name it.
    pub(super) field: String,
}

impl About {
    /// Kind and name, as kubectl writes them; the kind alone where it has no name.
    pub(super) fn object(&self) -> String {
        match self.name.as_str() {
            "" => self.kind.clone(),
            name => format!("{}/{name}", self.kind),
        }
    }
}

/// The rule that stands for documents that could not be read.
pub(super) use crate::review::UNREADABLE;

impl Found {
    /// Where in its file; none of an object in a cluster.
    pub(super) const fn place(&self) -> Option<Place> {
        match self.origin {
            Origin::File { place, .. } => Some(place),
            Origin::Cluster => None,
        }
    }

    /// The message as one line says it: a refusal with its field before it, as the server joins them; warnings are
    /// complete by themselves.
    pub(super) fn line(&self) -> String {
        match (&self.about, self.severity) {
            (Some(about), Severity::Error) if !about.field.is_empty() => {
                format!("{}: {}", about.field, self.message)
            }
            _ => self.message.clone(),
        }
    }
}

/// What was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Subject {
    /// Files, as what is applied from them.
    #[default]
    Files,
    /// What is in a cluster, as it stands.
    Cluster,
}

/// Everything that was found, in the order of the files, or of kinds and names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// What was judged.
    pub(super) subject: Subject,
    /// The findings.
    pub(super) found: Vec<Found>,
    /// How many files were read.
    pub(super) files: usize,
    /// How many objects were judged.
    pub(super) objects: usize,
    /// How many of them are refused, or would be if they were made now.
    pub(super) refused: usize,
    /// How many documents, or files, could not be read; of a cluster, objects that could not be judged.
    pub(super) unreadable: usize,
    /// How many objects are none of ours.
    pub(super) passed_over: usize,
}

impl Report {
    /// How many warnings were found.
    pub(super) fn warnings(&self) -> usize {
        let warnings = self
            .found
            .iter()
            .filter(|found| found.severity == Severity::Warning);
        warnings.count()
    }

    /// 2 where something could not be judged, else 1 where something is refused, else 0.
    pub(super) const fn exit_code(&self) -> u8 {
        if self.unreadable > 0 {
            2
        } else if self.refused > 0 {
            1
        } else {
            0
        }
    }
}
